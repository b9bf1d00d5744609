"""Changes of events and of single firings: what is asked for, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Json, Moment, Shown, Zone
from duly.rest.schemas.events import (
    Fold,
    Gap,
    Policies,
    Recurrence,
    Schedule,
    TimezoneContext,
    TzdataChange,
)


class Timing(Body):
    """When: at `scheduled_time`, or by `schedule`."""

    scheduled_time: Moment | None = None
    timezone_context: TimezoneContext | None = None
    recurrence: Recurrence | None = None
    gap: Gap | None = None
    fold: Fold | None = None
    schedule: Schedule | None = None


class EventPatch(Timing, Policies):
    """What of an event is to be another; what is left out stays, and null is the default."""

    payload: Json = None
    on_tzdata_change: TzdataChange | None = None


class PlanRequest(Timing):
    """Another rule, and up to when its firings are compared."""

    until: Moment = Field(description="An instant, not included.")
    limit: int = Field(1000, ge=1, le=1000, description="Of each rule's firings.")


class PauseRequest(Body):
    """Why an event is paused."""

    note: str = Field("", max_length=500)


class SkipRequest(Body):
    """Which firing is left out."""

    due_at: Moment | None = Field(None, description="Its due instant; null: the next one.")


class MoveRequest(SkipRequest):
    """Which firing is moved, and where."""

    to: Moment = Field(description="An instant that has not passed.")


class BackfillRequest(Body):
    """Which past firings are made up for: those in [start, end) that have no occurrence."""

    start: Moment
    end: Moment
    limit: int = Field(1000, ge=1, le=10_000)


class Changed(Shown):
    """What became of a change.

    too_late: an occurrence runs already, and could not be stopped.
    """

    event_id: str
    status: Literal["done", "too_late"]
    running_since: Instant | None


class Born(Shown):
    """An occurrence that is to run now."""

    occurrence_id: str
    event_id: str
    due_at: Instant
    status: str


class Backfilled(Shown):
    """The occurrences that are to run now, oldest first."""

    event_id: str
    occurrences: list[Born]


class Due(Shown):
    """One firing."""

    at: Instant
    local: Instant
    wall_time: str
    zone: Zone
    resolution: Literal["plain", "gap", "overlap"]
    policy: str


class Plan(Shown):
    """What another rule would change among the firings to come."""

    added: list[Due]
    removed: list[Due]
    kept: list[Due]


class RuleRequest(Timing):
    """A rule, as an event would have it."""

    after: Moment | None = Field(None, description="An instant; null: now.")


class PreviewRequest(RuleRequest):
    """A rule, and how many of its firings are wanted."""

    n: int = Field(10, ge=1, le=1000)


class Firing(Due):
    """One firing to come."""

    clock_change: str = Field(description="What the clocks did since the one before it.")


class Preview(Shown):
    """The next firings of a rule."""

    rule: dict[str, Any]
    description: str
    firings: list[Firing]


class Warned(Shown):
    """What is to be known of the zones."""

    code: str
    message: str


class Explanation(Shown):
    """Why something is due when it is."""

    rule: str
    wall_time: str
    zone: str
    at: Instant
    offset: str
    resolution: Literal["plain", "gap", "overlap"]
    policy: str
    tzdata: str
    fingerprint: str
    moved_from: str | None
    jitter_seconds: float
    warnings: list[Warned]
    elsewhere: dict[str, Instant]
    sentences: list[str]
