"""Statements on events that exist: change, cancel, find.

Every change locks its event first and then the event's occurrences, as the engine does:
what the engine has claimed but not begun is still stopped, and what has begun is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Q, QuerySet

from duly import tracing
from duly.civil import zones
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.errors import EventConflict, EventNotFound
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.models.fields import as_stored
from duly.policy.handling import saga_of
from duly.policy.states import EventStatus, OccurrenceStatus
from duly.policy.trace import traced
from duly.store import facts
from duly.store.rows import resolution_text
from duly.store.wakeups import notify_after_commit

# What is due later than this is found by the polls; nearer, the engines are woken.
NOTIFY_WITHIN = timedelta(seconds=5)
LONGEST_REASON = 500
COMPENSATION_KEYS = ("saga:", ":compensation")
"""How the keys of the events begin and end that compensate the steps of sagas."""
_TIMING = (
    "rule",
    "exceptions",
    "execution_timezone",
    "tzdata_fingerprint",
    "status",
    "reason",
    "next_at",
    "next_wall_time",
    "next_resolution",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change; `running_since` where an occurrence could not be stopped."""

    event_id: UUID
    running_since: datetime | None = None
    saga: UUID | None = None
    """The saga that the event is a step of, and that may have to go on otherwise."""
    was: str = ""
    """The status of an event before it was cancelled."""


def find(using: str, event: UUID | str, service: str) -> ScheduledEvent:
    """Find an event by its id, or by its key within a service. Raises EventNotFound."""
    return _find(events_in(using), event, service)


def cancel(using: str, event: UUID | str, service: str, now: datetime, actor: str) -> Changed:
    """Cancel an event and what of it has not begun."""
    with transaction.atomic(using):
        return cancel_locked(using, lock(using, event, service), now, actor)


def cancel_entity(
    using: str,
    entity_type: str,
    entity_id: str,
    service: str | None,
    now: datetime,
    actor: str,
) -> list[Changed]:
    """Cancel every event of an entity that is scheduled or paused, or still has work to do.

    entity_type: empty: whatever the type. service: None: of every one.

    Compensations of sagas go on.
    """
    alive = Q(status__in=[EventStatus.SCHEDULED, EventStatus.PAUSED]) | Q(
        occurrences__wake_at__isnull=False
    )
    with transaction.atomic(using):
        of_entity = events_in(using).filter(entity_id=entity_id)
        if entity_type:
            of_entity = of_entity.filter(entity_type=entity_type)
        if service is not None:
            of_entity = of_entity.filter(service=service)
        # What undoes the steps of a saga is not undone by who has undone the rest.
        of_entity = of_entity.exclude(
            key__startswith=COMPENSATION_KEYS[0], key__endswith=COMPENSATION_KEYS[1]
        )
        ids = of_entity.filter(alive).order_by("id").values_list("id", flat=True).distinct()
        locked = events_in(using).filter(id__in=list(ids)).order_by("id").select_for_update()
        return [cancel_locked(using, event, now, actor) for event in locked]


def reschedule(  # noqa: PLR0913 - who, what, when and by whom
    using: str,
    event: UUID | str,
    service: str,
    rule: Rule,
    first: Due,
    now: datetime,
    actor: str,
) -> Changed:
    """Give an event another rule and next due instant."""
    with transaction.atomic(using):
        return retime(using, lock(using, event, service), rule, first, now, actor)


def pause(
    using: str, event: UUID | str, service: str, note: str, now: datetime, actor: str
) -> Changed:
    """Take an event out of the schedule; what of it has not begun is cancelled."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        if found.status == EventStatus.PAUSED:
            return changed(found)
        require_status(found, EventStatus.SCHEDULED, "paused")
        _leave_schedule(using, found, EventStatus.PAUSED, now, note)
        # What is being retried has begun: a pause is about what is still to come.
        running_since = stop_occurrences(using, found, now, actor, "paused", attempt=0)
        data = {"note": note} if note else None
        record(using, [facts.entry(facts.PAUSED, now, found.id, actor=actor, data=data)])
        return changed(found, running_since)


def resume(
    using: str,
    event: UUID | str,
    service: str,
    first_due: Callable[[ScheduledEvent], Due],
    now: datetime,
    actor: str,
) -> Changed:
    """Put a paused event back into the schedule, due when `first_due` says."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        require_status(found, EventStatus.PAUSED, "resumed")
        first = first_due(found)
        set_due(found, first, now)
        found.save(using=using, update_fields=_TIMING)
        record(using, [event_entry(facts.RESUMED, now, found, actor)])
        notify_after_commit(using, first.at, now, NOTIFY_WITHIN)
        return changed(found)


def trigger(using: str, event: UUID | str, service: str, now: datetime, actor: str) -> Occurrence:
    """Give birth to an occurrence that is due now, for any engine to take."""
    with transaction.atomic(using):
        found = lock(using, event, service)
        zone = zones.get_zone(found.execution_timezone)
        occurrence = Occurrence(
            id=new_id(now),
            event=found,
            service=found.service,
            event_type=found.event_type,
            payload=as_stored(found),
            due_at=now,
            wall_time=now.astimezone(zone.info).replace(tzinfo=None),
            zone=zone.name,
            resolution="plain",
            handling=traced({}, tracing.carrier()),
            status=OccurrenceStatus.PENDING,
            wake_at=now,
            created_at=now,
        )
        occurrence.save(using=using, force_insert=True)
        entry = facts.entry(facts.TRIGGERED, now, found.id, occurrence.id, actor=actor)
        record(using, [entry])
        notify_after_commit(using, now, now, NOTIFY_WITHIN)
        return occurrence


def replay(
    using: str, occurrences: QuerySet[Occurrence, Occurrence], limit: int, now: datetime, actor: str
) -> list[Occurrence]:
    """Let occurrences that have ended be tried again; all their attempts are forgiven.

    They keep their identity, and with it their idempotency key. Gives those taken, oldest
    first; what another transaction has locked is left out.
    """
    with transaction.atomic(using):
        ended = occurrences.filter(wake_at__isnull=True).order_by("due_at", "id")
        features = connections[using].features
        if features.has_select_for_update:
            ended = ended.select_for_update(
                skip_locked=features.has_select_for_update_skip_locked, of=("self",)
            )
        found = list(ended.defer("payload")[:limit])
        entries = []
        for occurrence in found:
            data = {"from": occurrence.status, "error": occurrence.error.partition("\n")[0]}
            occurrence.status, occurrence.reason = OccurrenceStatus.PENDING, ""
            occurrence.wake_at, occurrence.finished_at = now, None
            occurrence.forgiven, occurrence.expires_at = occurrence.attempt, None
            entries.append(
                facts.entry(
                    facts.REPLAYED, now, occurrence.event_id, occurrence.id, actor=actor, data=data
                )
            )
        Occurrence.objects.using(using).bulk_update(
            found, ("status", "reason", "wake_at", "finished_at", "forgiven", "expires_at")
        )
        record(using, entries)
        if found:
            notify_after_commit(using, now, now, NOTIFY_WITHIN)
        return found


def retime(
    using: str, event: ScheduledEvent, rule: Rule, first: Due, now: datetime, actor: str
) -> Changed:
    """Give a locked event another rule and due instant; stop what of the old has not begun."""
    before = event.next_at
    event.rule, event.exceptions = rule.to_json(), []
    event.execution_timezone = rule.zone
    set_due(event, first, now)
    event.save(using=using, update_fields=_TIMING)
    running_since = stop_occurrences(using, event, now, actor, "rescheduled")
    record(using, [event_entry(facts.RESCHEDULED, now, event, actor, before)])
    notify_after_commit(using, first.at, now, NOTIFY_WITHIN)
    return changed(event, running_since)


def cancel_locked(using: str, event: ScheduledEvent, now: datetime, actor: str) -> Changed:
    """Cancel a locked event and what of it has not begun."""
    was = event.status
    if was != EventStatus.CANCELLED:
        _leave_schedule(using, event, EventStatus.CANCELLED, now, "")
        record(using, [facts.entry(facts.CANCELLED, now, event.id, actor=actor)])
    running_since = stop_occurrences(using, event, now, actor, "cancelled")
    return replace(changed(event, running_since), was=was)


def changed(event: ScheduledEvent, running_since: datetime | None = None) -> Changed:
    """Say what became of a change of this event."""
    return Changed(event.id, running_since, saga_of(event.handling))


def _leave_schedule(
    using: str, event: ScheduledEvent, status: EventStatus, now: datetime, reason: str
) -> None:
    event.status, event.reason = status, reason[:LONGEST_REASON]
    event.next_at, event.next_wall_time, event.next_resolution = None, None, ""
    event.updated_at = now
    event.save(using=using, update_fields=_TIMING)


def stop_occurrences(
    using: str, event: ScheduledEvent, now: datetime, actor: str, reason: str, **only: Any
) -> datetime | None:
    """Cancel what is not running; says since when one runs that could not be stopped."""
    live = Occurrence.objects.using(using).filter(event=event, wake_at__isnull=False, **only)
    running_since: datetime | None = None
    entries = []
    for occurrence in live.defer("payload").order_by("id").select_for_update():
        if occurrence.status == OccurrenceStatus.RUNNING:
            running_since = occurrence.started_at
            continue
        occurrence.status, occurrence.reason = OccurrenceStatus.CANCELLED, reason
        occurrence.wake_at, occurrence.holder, occurrence.finished_at = None, None, now
        occurrence.save(
            using=using,
            update_fields=("status", "reason", "wake_at", "holder", "finished_at"),
        )
        data = {"reason": reason}
        entries.append(
            facts.entry(facts.CANCELLED, now, event.id, occurrence.id, actor=actor, data=data)
        )
    record(using, entries)
    return running_since


def set_due(event: ScheduledEvent, due: Due, now: datetime) -> None:
    """Make an event scheduled, and due at an instant; the caller saves it."""
    event.status, event.reason = EventStatus.SCHEDULED, ""
    event.next_at, event.next_wall_time = due.at, due.wall_time
    event.next_resolution = resolution_text(due)
    event.tzdata_fingerprint = zones.get_zone(due.zone).fingerprint
    event.updated_at = now


def require_status(event: ScheduledEvent, status: EventStatus, verb: str) -> None:
    """Raise EventConflict where an event is not in the state that a change needs."""
    if event.status != status:
        raise EventConflict(
            f"event {event.id} is {event.status}; only a {status} event can be {verb}"
        )


def lock(using: str, event: UUID | str, service: str) -> ScheduledEvent:
    """Find an event, and lock it until the transaction ends. Raises EventNotFound."""
    return _find(events_in(using).select_for_update(), event, service)


def _find(
    rows: QuerySet[ScheduledEvent, ScheduledEvent], event: UUID | str, service: str
) -> ScheduledEvent:
    id_ = event if isinstance(event, UUID) else _uuid(event)
    found = rows.filter(id=id_).first() if id_ else None
    if found is None and isinstance(event, str):
        found = rows.filter(service=service, key=event).first()
    if found is None:
        raise EventNotFound(f"no event has the id or, in service {service!r}, the key {event!r}")
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None


def event_entry(
    fact: str, now: datetime, event: ScheduledEvent, actor: str, before: datetime | None = None
) -> LedgerEntry:
    """Build the ledger row of a change, with where it leaves the event."""
    data = {"next_at": event.next_at.isoformat() if event.next_at else None, "rule": event.rule}
    if before is not None:
        data["before"] = before.isoformat()
    return facts.entry(fact, now, event.id, actor=actor, data=data)


def record(using: str, entries: Iterable[LedgerEntry]) -> None:
    """Append to the ledger."""
    LedgerEntry.objects.using(using).bulk_create(entries)


def events_in(using: str) -> QuerySet[ScheduledEvent, ScheduledEvent]:
    """Give the events of a database."""
    return ScheduledEvent.objects.using(using)
