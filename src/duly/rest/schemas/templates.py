"""Event templates: what is stored, what is asked for, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Json, Moment, Shown, Zone
from duly.rest.schemas.events import (
    OnConflict,
    Policies,
    Schedule,
    ShownContext,
    TimezoneContext,
    TzdataChange,
)

TemplateName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$",
        examples=["visit-reminder"],
    ),
]
EventType = Annotated[
    str,
    Field(
        description="Event type, in any case.",
        examples=["APPOINTMENT_REMINDER"],
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$",
    ),
]


class Amounts(Body):
    """How long before or after a moment: on the calendar, or elapsed."""

    weeks: int | None = Field(None, ge=0, le=5000)
    days: int | None = Field(None, ge=0, le=36600, description="On the calendar, never 24 hours.")
    business_days: int | None = Field(None, ge=0, le=1000, description="Needs a calendar.")
    hours: int | None = Field(None, ge=0, le=1_000_000, description="That elapse.")
    minutes: int | None = Field(None, ge=0, le=100_000_000)
    seconds: int | None = Field(None, ge=0, le=1_000_000_000)
    at: str | None = Field(None, max_length=20, description="Time of day.", examples=["09:00"])


class TemplateSchedule(Schedule):
    """When, as an event says it; `"$time"` stands for the `time` that is given on use.

    Beside at, cron, rrule, every and kind there are before and after: so long before or after
    that time.
    """

    before: Amounts | None = Field(None, description="So long before `time`.")
    after: Amounts | None = Field(None, description="So long after `time`.")


class TemplateContent(Policies):
    """What the events of a template have in common."""

    type: EventType
    schedule: TemplateSchedule
    description: str = Field("", max_length=500)
    payload: Json = Field(None, description="Defaults: what is given on use is merged into it.")
    entity_type: str | None = Field(None, min_length=1, max_length=100)
    timezone_context: TimezoneContext | None = None
    on_tzdata_change: TzdataChange | None = None


class NewTemplate(TemplateContent):
    """A template to store."""

    name: TemplateName


class TemplateUse(Policies):
    """What one event of a template is about; what is given here goes before the template."""

    time: Moment | None = Field(
        None,
        description="What `$time` stands for: an instant, or a civil time in the "
        "execution timezone.",
    )
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Idempotency key, unique within the service; as the header Idempotency-Key.",
    )
    entity_id: str | int | None = Field(None, examples=["42"])
    entity_type: str | None = Field(None, min_length=1, max_length=100)
    payload: Json = Field(None, description="Merged into the template's, if both are objects.")
    timezone_context: TimezoneContext | None = None
    on_tzdata_change: TzdataChange | None = None
    on_conflict: OnConflict | None = None


class TemplateContext(ShownContext):
    """The zones that its events have unless they are given others."""

    execution_timezone: Zone | None  # type: ignore[assignment]


class Template(Shown):
    """A template."""

    name: str
    service_id: str
    description: str
    type: str
    schedule: dict[str, Any]
    payload: Json
    handling: dict[str, Any] = Field(description="The policies that it sets.")
    entity_type: str | None
    timezone_context: TemplateContext
    on_tzdata_change: TzdataChange
    version: int = Field(description="One more with each change.")
    created_at: Instant
    updated_at: Instant


class TemplatePage(Shown):
    """Some templates, by name."""

    items: list[Template]
    next_cursor: str | None = Field(description="For the next page; null on the last.")
