"""The state of an event and of its occurrences, as their ledger tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from duly.policy.states import EventStatus, OccurrenceStatus

WAITING = "waiting"
"""Queued or pending: which of both is a matter of leases, not of history."""
RUNNING = OccurrenceStatus.RUNNING.value

_SCHEDULED = frozenset({"scheduled", "rescheduled", "resumed"})
_MOVED = frozenset({"due", "missed", "skipped", "rederived"})
_OCCURRENCE = {
    "due": WAITING,
    "triggered": WAITING,
    "claimed": WAITING,
    "released": WAITING,
    "parked": WAITING,
    "unparked": WAITING,
    "deferred": WAITING,
    "retried": WAITING,
    "snoozed": WAITING,
    "replayed": WAITING,
    "moved": WAITING,
    "backfilled": WAITING,
    "started": RUNNING,
    "succeeded": OccurrenceStatus.SUCCEEDED.value,
    "died": OccurrenceStatus.DEAD.value,
    "skipped": OccurrenceStatus.SKIPPED.value,
    "cancelled": OccurrenceStatus.CANCELLED.value,
}


class Fact(NamedTuple):
    """One row of the ledger."""

    fact: str
    occurrence: Any
    """Its id; None for a fact about the event."""
    attempt: int | None
    data: Mapping[str, Any]
    at: datetime | None = None


@dataclass(slots=True)
class OccurrenceState:
    """What the ledger says of one occurrence."""

    status: str
    attempt: int = 0
    at: datetime | None = None
    """When it came to that."""


@dataclass(slots=True)
class EventState:
    """What the ledger says of one event; None where its beginning has been pruned."""

    status: str | None = None
    next_at: str | None = None
    """In ISO 8601."""
    occurrences: dict[Any, OccurrenceState] = field(default_factory=dict)


def fold(facts: Iterable[Fact]) -> EventState:
    """Go through the facts about one event and its occurrences, oldest first."""
    state = EventState()
    for fact in facts:
        if fact.occurrence is None or "next_at" in fact.data:
            _event(state, fact)
        if fact.occurrence is not None and fact.fact in _OCCURRENCE:
            found = state.occurrences.setdefault(fact.occurrence, OccurrenceState(WAITING))
            found.status, found.at = _OCCURRENCE[fact.fact], fact.at
            if fact.fact == "started" and fact.attempt is not None:
                found.attempt = fact.attempt
    return state


def _event(state: EventState, fact: Fact) -> None:
    next_at = fact.data.get("next_at")
    if fact.fact in _SCHEDULED or (fact.fact in _MOVED and "next_at" in fact.data):
        state.next_at = next_at
        ended = next_at is None
        state.status = EventStatus.FINISHED.value if ended else EventStatus.SCHEDULED.value
    elif fact.fact in ("paused", "cancelled"):
        state.status, state.next_at = fact.fact, None
