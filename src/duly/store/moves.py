"""From an event whose zone has other data to where it goes, as rows of the ORM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from duly.civil.resolve import Due
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.states import OnTzdataChange
from duly.store import facts
from duly.store.rows import Rederived, StaleEvent, stored_due


def next_due(event: ScheduledEvent) -> Due:
    """Give the due instant that an event's columns hold."""
    assert event.next_at is not None
    assert event.next_wall_time is not None
    return stored_due(
        event.next_at, event.next_wall_time, event.execution_timezone, event.next_resolution
    )


def stale_event_of(
    event: ScheduledEvent, latest: Callable[[ScheduledEvent], Sequence[Occurrence]]
) -> StaleEvent:
    """Give what an event is derived anew from.

    latest: asks for the last few occurrences of an event, by their due instants.
    """
    return StaleEvent(
        id=event.id,
        event_type=event.event_type,
        rule=event.rule,
        due=next_due(event),
        on_tzdata_change=OnTzdataChange(event.on_tzdata_change),
        since=partial(_since, event, latest),
    )


def _since(
    event: ScheduledEvent, latest: Callable[[ScheduledEvent], Sequence[Occurrence]]
) -> datetime:
    """Give the instant that an event's present one is the next of."""
    assert event.next_at is not None
    # What moved it here was a birth, or a person at that time.
    births = (one.due_at for one in latest(event) if one.created_at == event.updated_at)
    # Moved into the past by the data before, and not claimed yet: it is not to be lost.
    return min(next(births, event.updated_at), event.next_at - datetime.resolution)


def rederived_entry(found: Rederived, now: datetime, reason: str) -> LedgerEntry:
    """Say in the ledger where an event was, where it goes, and why."""
    before, after = found.event.due, found.advance.next_due
    data = {
        "before": before.at.isoformat(),
        "next_at": after.at.isoformat() if after else None,
        "wall_time": before.wall_time.isoformat(),
        "zone": before.zone,
        "policy": str(found.event.on_tzdata_change),
        "reason": found.advance.problem or reason,
    }
    if after is not None and after.wall_time != before.wall_time:
        data["wall_time_after"] = after.wall_time.isoformat()
    fact = facts.PAUSED if found.advance.problem else facts.REDERIVED
    return facts.entry(fact, now, found.event.id, data=data)
