"""From a due event to its occurrence, as rows of the ORM."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.policy.states import OccurrenceStatus
from duly.store import facts
from duly.store.rows import Advance, Birth, Claim, DueEvent, Result, resolution_text

MOVED = (
    "status",
    "reason",
    "next_at",
    "next_wall_time",
    "next_resolution",
    "tzdata_fingerprint",
    "updated_at",
)


def due_event(event: ScheduledEvent) -> DueEvent:
    """Give what a rule's next instant is computed from."""
    assert event.next_at is not None
    return DueEvent(
        event.id,
        event.event_type,
        event.rule,
        event.next_at,
        event.handling,
        event.exceptions,
        event.service,
    )


def birth(
    event: Any, advance: Advance, now: datetime, lease_until: datetime, holder: UUID
) -> Occurrence:
    """Build the occurrence of an event that is due; `event` carries `payload_text`."""
    begins = advance.birth is Birth.RUNNING
    return Occurrence(
        id=new_id(now),
        event=event,
        service=event.service,
        event_type=event.event_type,
        payload=EncodedPayload(event.payload_text),
        due_at=event.next_at,
        wall_time=event.next_wall_time,
        zone=event.execution_timezone,
        resolution=event.next_resolution,
        handling=event.handling,
        expires_at=advance.expires_at,
        status=OccurrenceStatus.RUNNING if begins else OccurrenceStatus.QUEUED,
        attempt=int(begins),
        started_at=now if begins else None,
        wake_at=lease_until,
        holder=holder,
        created_at=now,
    )


def never_began(occurrence: Occurrence) -> bool:
    """Say whether an occurrence was cancelled before any attempt of it began."""
    return occurrence.status == OccurrenceStatus.CANCELLED and occurrence.attempt == 0


def claim_of(event: ScheduledEvent, row: Occurrence, payload_text: str) -> Claim:
    """Give the right to an occurrence, with what its handler will need."""
    assert row.wall_time is not None
    retrying = row.status == OccurrenceStatus.PENDING
    return Claim(
        id=row.id,
        event_id=event.id,
        event_type=row.event_type,
        service=row.service,
        key=event.key,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        payload=payload_text,
        due_at=row.due_at,
        wall_time=row.wall_time,
        zone=row.zone,
        user_timezone=event.user_timezone,
        resource_timezone=event.resource_timezone,
        attempt=row.attempt - (row.status == OccurrenceStatus.RUNNING),
        forgiven=row.forgiven,
        handling=row.handling,
        expires_at=row.expires_at,
        ready_at=row.wake_at if retrying and row.wake_at else row.due_at,
    )


def told(result: Result, now: datetime, written: bool) -> LedgerEntry:
    """Say in the ledger what came of an attempt: its outcome, or that it was fenced."""
    fact = result.decision.fact if written else facts.FENCED
    data = {"outcome": result.decision.fact}
    if written:
        data = facts.decision_data(result.decision, result.trace) or {}
    return facts.entry(fact, now, result.event_id, result.id, attempt=result.attempt, data=data)


def started_entry(
    event_id: UUID, occurrence_id: UUID, attempt: int, now: datetime, holder: UUID
) -> LedgerEntry:
    """Say in the ledger that an attempt began, and with whom."""
    data = {"holder": str(holder)}
    return facts.entry(facts.STARTED, now, event_id, occurrence_id, attempt=attempt, data=data)


def move_on(event: ScheduledEvent, advance: Advance, now: datetime) -> list[LedgerEntry]:
    """Set the event's columns to where it goes; says what the ledger is to know of it."""
    due = advance.next_due
    event.next_at = due.at if due else None
    event.next_wall_time = due.wall_time if due else None
    event.next_resolution = resolution_text(due) if due else ""
    event.tzdata_fingerprint = advance.fingerprint
    event.updated_at = now
    event.status, event.reason = advance.status, advance.problem[:500]
    return advance_entries([(event.id, advance)], now)


def advance_entries(advances: Iterable[tuple[UUID, Advance]], now: datetime) -> list[LedgerEntry]:
    """Tell the ledger of instants that do not fire, and of events whose rule failed."""
    entries = []
    for event_id, advance in advances:
        if missed := advance.missed:
            data = {
                "first": missed.first.isoformat(),
                "last": missed.last.isoformat(),
                "count": missed.count,
                "reason": missed.reason,
                "next_at": iso(advance.next_due.at) if advance.next_due else None,
            }
            entries.append(facts.entry(facts.MISSED, now, event_id, data=data))
        for at in advance.left_out:
            data = {"due_at": at.isoformat(), "reason": "left out by hand"}
            entries.append(facts.entry(facts.SKIPPED, now, event_id, data=data))
        if advance.problem:
            data = {"reason": advance.problem}
            entries.append(facts.entry(facts.PAUSED, now, event_id, data=data))
    return entries


def iso(moment: datetime | None) -> str:
    """Write an instant or a civil time in ISO 8601; empty for none."""
    return moment.isoformat() if moment else ""
