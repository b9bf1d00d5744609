"""What is answered about event templates and calendars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from duly.client.results.events import TimezoneContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What many events have in common."""

    name: str
    service_id: str
    type: str
    schedule: Mapping[str, Any]
    description: str = ""
    payload: Any = None
    handling: Mapping[str, Any] = field(default_factory=dict)
    """The policies that it sets; spans of time in seconds."""
    entity_type: str = ""
    timezone_context: TimezoneContext
    on_tzdata_change: str
    version: int
    """One more with each change."""
    created_at: datetime
    updated_at: datetime
    etag: str = ""
    """Given to a change as `if_match=`; of a template that was asked for alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarLink:
    """A link to a calendar; whoever has it sees the calendar."""

    url: str = field(repr=False)
    expires_at: datetime
