"""Statements on single firings of an event: leave one out, move one, make up for some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from duly.civil import zones
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.civil.resolve import Due
from duly.errors import EventConflict, InvalidEvent
from duly.ids import new_id
from duly.models import Occurrence, ScheduledEvent
from duly.models.fields import as_stored
from duly.policy.states import EventStatus, OccurrenceStatus
from duly.store import facts
from duly.store.events import (
    NOTIFY_WITHIN,
    Changed,
    changed,
    lock,
    record,
    require_status,
    set_due,
    stop_occurrences,
)
from duly.store.rows import resolution_text
from duly.store.wakeups import notify_after_commit

MOST_EXCEPTIONS = 1000
_TICK = datetime.resolution


def skip(
    using: str,
    event: UUID | str,
    service: str,
    due_at: datetime | None,
    now: datetime,
    actor: str,
) -> Changed:
    """Leave one firing of an event out; None: the next one."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        return _skip(using, found, due_at, now, actor)


def move(  # noqa: PLR0913 - which, where, when and by whom
    using: str,
    event: UUID | str,
    service: str,
    due_at: datetime | None,
    to: datetime,
    now: datetime,
    actor: str,
) -> Changed:
    """Leave one firing out, and let an occurrence come due at `to` instead."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        origin = due_at or found.next_at
        skipped = _skip(using, found, due_at, now, actor)
        if skipped.running_since is None:
            zone = zones.get_zone(found.execution_timezone)
            wall_time = zone.wall_time_at(to)
            due = Due(Instant(to), wall_time, zone.name, "plain")
            (occurrence,) = _born(using, found, [due], now)
            data = {"moved_from": origin.isoformat() if origin else None, "due_at": to.isoformat()}
            entry = facts.entry(facts.MOVED, now, found.id, occurrence.id, actor=actor, data=data)
            record(using, [entry])
        return skipped


def backfill(
    using: str, event: UUID | str, service: str, dues: Sequence[Due], now: datetime, actor: str
) -> list[Occurrence]:
    """Give birth to occurrences of past due instants that have none, to be run now."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        there = born_at(using, found.id, [due.at for due in dues])
        born = _born(using, found, [due for due in dues if due.at not in there], now)
        record(
            using,
            [
                facts.entry(
                    facts.BACKFILLED,
                    now,
                    found.id,
                    one.id,
                    actor=actor,
                    data={"due_at": one.due_at.isoformat()},
                )
                for one in born
            ],
        )
        return born


def born_at(using: str, event_id: UUID, ats: Sequence[datetime]) -> set[datetime]:
    """Say at which of these due instants an event has an occurrence already."""
    rows = Occurrence.objects.using(using).filter(event_id=event_id, due_at__in=ats)
    return set(rows.values_list("due_at", flat=True))


def _skip(
    using: str, event: ScheduledEvent, due_at: datetime | None, now: datetime, actor: str
) -> Changed:
    if due_at is not None and (event.next_at is None or due_at < event.next_at):
        return _skip_born(using, event, due_at, now, actor)
    require_status(event, EventStatus.SCHEDULED, "changed")
    assert event.next_at is not None
    target = Instant(due_at or event.next_at)
    rule = rule_from_json(event.rule)
    due = rule.next(Instant(target - _TICK))
    if target != event.next_at and (due is None or due.at != target):
        raise InvalidEvent(f"{target.isoformat()} is no due instant of event {event.id}")
    data: dict[str, str | None] = {"due_at": target.isoformat(), "reason": "skipped by hand"}
    if target == event.next_at:
        following = _go_on(event, now)
        data["next_at"] = following.at.isoformat() if following else None
    elif len(event.exceptions) >= MOST_EXCEPTIONS:
        raise InvalidEvent(f"event {event.id} has {MOST_EXCEPTIONS} firings left out already")
    else:
        event.exceptions = sorted({*event.exceptions, target.isoformat()})
        event.updated_at = now
    event.save(using=using)
    record(using, [facts.entry(facts.SKIPPED, now, event.id, actor=actor, data=data)])
    return changed(event)


def _skip_born(
    using: str, event: ScheduledEvent, due_at: datetime, now: datetime, actor: str
) -> Changed:
    """Leave out a firing that an engine has claimed already, if it has not begun."""
    row = Occurrence.objects.using(using).filter(event=event, due_at=due_at).first()
    if row is None:
        raise InvalidEvent(f"{due_at.isoformat()} is no due instant to come of event {event.id}")
    if row.wake_at is None:
        raise EventConflict(f"the firing at {due_at.isoformat()} is {row.status} already")
    running_since = stop_occurrences(using, event, now, actor, "skipped", due_at=due_at)
    return changed(event, running_since)


def _go_on(event: ScheduledEvent, now: datetime) -> Due | None:
    """Set an event to its firing after the next one; gives it."""
    assert event.next_at is not None
    following = rule_from_json(event.rule).next(Instant(event.next_at))
    while following is not None and following.at.isoformat() in event.exceptions:
        following = rule_from_json(event.rule).next(following.at)
    if following is not None:
        set_due(event, following, now)
    else:
        event.status, event.updated_at = EventStatus.FINISHED, now
        event.next_at, event.next_wall_time, event.next_resolution = None, None, ""
    return following


def _born(
    using: str, event: ScheduledEvent, dues: Sequence[Due], now: datetime
) -> list[Occurrence]:
    rows = [
        Occurrence(
            id=new_id(now),
            event=event,
            service=event.service,
            event_type=event.event_type,
            payload=as_stored(event),
            handling=event.handling,
            due_at=due.at,
            wall_time=due.wall_time,
            zone=due.zone,
            resolution=resolution_text(due),
            status=OccurrenceStatus.PENDING,
            wake_at=max(due.at, now),
            created_at=now,
        )
        for due in dues
    ]
    Occurrence.objects.using(using).bulk_create(rows)
    if rows:
        first = max(now, min(due.at for due in dues))
        notify_after_commit(using, first, now, NOTIFY_WITHIN)
    return rows
