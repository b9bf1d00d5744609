"""What is answered about events."""

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
