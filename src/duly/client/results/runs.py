"""What is answered about occurrences, the ledger, dead letters, and what fires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at an occurrence."""

    attempt: int
    outcome: str
    began_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One due instant of an event, and what came of it."""

    occurrence_id: UUID
    event_id: UUID
    type: str
    service_id: str
    entity_type: str = ""
    entity_id: str = ""
    due_at: datetime
    """Its identity, with its event; it never moves."""
    scheduled_time: datetime
    """The same, as read in its zone."""
    timezone: str
    status: str
    """"queued", "running", "pending", "succeeded", "dead", "skipped" or "cancelled"."""
    attempts: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str = ""
    error: str = ""
    idempotency_key: str = ""
    """What its handler is given, the same on every attempt."""
    payload: Any = None
    """Of an occurrence that was asked for alone; lists leave it out."""
    history: tuple[Attempt, ...] = ()
    """The same for lists of dead letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """An occurrence that is to run now."""

    occurrence_id: UUID
    event_id: UUID
    due_at: datetime
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One fact in the life of an event."""

    id: int
    at: datetime
    fact: str
    event_id: UUID
    occurrence_id: UUID | None = None
    attempt: int | None = None
    actor: str = ""
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of dead letters that were to run again."""

    dry_run: bool
    count: int
    occurrence_ids: tuple[UUID, ...] = ()
    more: bool
    """Whether there may be more of them than were asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfilled:
    """The occurrences that are to run now, oldest first."""

    event_id: UUID
    occurrences: tuple[Triggered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead letters of one type that died of the same."""

    service_id: str
    type: str
    error: str
    """The first line."""
    count: int
    first_due_at: datetime
    last_due_at: datetime
    latest_occurrence_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroups:
    """Dead letters by what they died of."""

    groups: tuple[DeadGroup, ...]
    """The largest first."""
    looked_at: int
    complete: bool
    """False: only the newest were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """One fact about a firing, as it happened."""

    id: int
    """Of the ledger's entry."""
    at: datetime
    fact: str
    """"due", "started", "succeeded", "died" …"""
    event_id: UUID
    occurrence_id: UUID | None = None
    attempt: int | None = None
    type: str
    service_id: str
    entity_type: str = ""
    entity_id: str = ""
    error: str = ""
    place: str = ""
    """Given to `stream` as `after=`, it goes on from here. No count: compare nothing by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """So much had happened since the place that the stream leaves the oldest of it out."""

    after: int
    up_to: int
    """The ids of the ledger, (after, up_to], of which it tells nothing."""
