"""What the service answers, as frozen dataclasses. Instants are aware, civil times naive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from duly.client.errors import ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class TimezoneContext:
    """The three zones of an event; empty where none was named."""

    execution_timezone: str = ""
    """In which its times are read."""
    user_timezone: str = ""
    resource_timezone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """An event that is stored."""

    event_id: UUID
    scheduled_time: datetime | None
    """When it is due first, as read in its execution zone (aware); None: it is not due again."""
    timezone_context: TimezoneContext
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One of many events, which is stored."""

    index: int
    """Its place among those given, from 0."""
    event_id: UUID
    is_new: bool
    """False: the same event, by the same key, was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One of many events, which is not stored."""

    index: int
    """Its place among those given, from 0."""
    error: ClientError
    """What scheduling it alone would have raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBrief:
    """An event as it stands in a list."""

    id: str
    """What its scheduler called it, or `event_id` where nobody did."""
    event_id: UUID
    type: str
    service_id: str
    entity_id: str = ""
    scheduled_time: datetime | None
    """When it is due next, as read in the zone that was asked for (aware); None: not again."""
    timezone_context: TimezoneContext
    status: str
    """"scheduled", "paused", "finished" or "cancelled"."""
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(EventBrief):
    """All of an event; of a one-off that is over, `scheduled_time` is when it was due."""

    entity_type: str = ""
    schedule: Mapping[str, Any] = field(default_factory=dict)
    """Its rule, in JSON."""
    handling: Mapping[str, Any] = field(default_factory=dict)
    """Its policies, as far as they are not at their defaults; spans of time in seconds."""
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    etag: str = ""
    """Given to a change as `if_match=`, it refuses to change what has changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """One firing to come."""

    id: str
    """What its event was called by its scheduler, or `event_id`."""
    event_id: UUID
    type: str
    service_id: str
    entity_id: str = ""
    scheduled_time: datetime
    """As read in the zone that was asked for (aware)."""
    timezone_context: TimezoneContext
    status: str
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a change."""

    event_id: UUID
    status: str
    """"done", or "too_late": an occurrence of it runs already, and could not be stopped."""
    running_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """An event that was cancelled."""

    event_id: UUID
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCancelled:
    """What became of the events of an entity."""

    entity_id: str
    status: str
    events_cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the clocks of one zone read at an instant."""

    zone: str
    local: datetime
    """Aware."""
    offset: str
    """From UTC, such as "+02:00"."""
    dst_active: bool
    """Whether its clocks are ahead for a season."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """One instant, as it is read in many zones."""

    original_time: str
    """What was asked for."""
    at: datetime
    conversions: Mapping[str, Reading]
    """By zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something about two zones that people trip over."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What is to be known about two zones that are used together."""

    resource_timezone: str
    user_timezone: str
    offset_difference_hours: float | None
    """How far the user's clocks are ahead of the resource's; None for an unknown zone."""
    resource_dst_active: bool | None
    user_dst_active: bool | None
    warnings: tuple[Warned, ...]
    compatible: bool


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
class Firing:
    """One firing of a rule, to come."""

    at: datetime
    local: datetime
    """The same instant, as read in the rule's zone (aware)."""
    wall_time: datetime
    """The civil time that the rule asked for (naive)."""
    zone: str
    resolution: str
    """"plain"; or "gap" or "overlap": the civil time did not exist, or happened twice."""
    policy: str = ""
    clock_change: str = ""
    """What the clocks did since the firing before it; empty mostly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The next firings of a rule."""

    rule: Mapping[str, Any]
    """In JSON, with where it is anchored."""
    description: str
    """In words."""
    firings: tuple[Firing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaStep:
    """A step or a wait of a saga, a step's compensation, or the timer of either."""

    position: int
    name: str
    direction: str
    """"forward", "compensation" or "timer"."""
    status: str
    event_id: UUID | None = None
    occurrence_id: UUID | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    result: Any = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """One run of a saga."""

    saga_id: UUID
    name: str
    service_id: str
    key: str = ""
    entity_type: str = ""
    entity_id: str = ""
    status: str
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    context: Mapping[str, Any] = field(default_factory=dict)
    """Of a saga that was asked for alone; lists leave it and the steps out."""
    steps: tuple[SagaStep, ...] = ()
