"""What is answered about rules, firings to come, and time zones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
class Due:
    """One firing of a rule."""

    at: datetime
    local: datetime
    """The same instant, as read in the rule's zone (aware)."""
    wall_time: datetime
    """The civil time that the rule asked for (naive)."""
    zone: str
    resolution: str
    """"plain"; or "gap" or "overlap": the civil time did not exist, or happened twice."""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing(Due):
    """One firing of a rule, to come."""

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
class Plan:
    """What another rule would change among the firings to come."""

    added: tuple[Due, ...]
    removed: tuple[Due, ...]
    kept: tuple[Due, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why something is due when it is."""

    rule: str
    wall_time: datetime
    """Naive."""
    zone: str
    at: datetime
    offset: str
    """From UTC, such as "+02:00"."""
    resolution: str
    policy: str = ""
    tzdata: str
    """The release of the time zone data, such as "2026f"."""
    fingerprint: str = ""
    moved_from: datetime | None = None
    """The civil time (naive) before a business calendar moved it."""
    jitter_seconds: float = 0.0
    warnings: tuple[Warned, ...] = ()
    elsewhere: Mapping[str, datetime] = field(default_factory=dict)
    """The same instant in the other zones of the event."""
    sentences: tuple[str, ...] = ()
    """All of it, in words."""
