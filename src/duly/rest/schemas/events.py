"""Events: what is asked for, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from duly.rest.schemas.base import Body, Instant, Json, Moment, Shown, Zone

CatchUp = Literal["latest", "earliest", "all", "none"]
Overlap = Literal[
    "allow_all", "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"
]
TzdataChange = Literal["keep_wall", "keep_instant", "hold"]
OnConflict = Literal["match", "replace", "keep", "raise"]
Gap = Literal["shift", "next_valid", "earlier", "skip", "reject"]
Fold = Literal["first", "second", "both", "reject"]
Status = Literal["scheduled", "paused", "finished", "cancelled"]


class TimezoneContext(Body):
    """The zones of an event."""

    resource_timezone: Zone | None = Field(None, description="Of what the event is about.")
    user_timezone: Zone | None = Field(None, description="Of whoever it is for.")
    execution_timezone: Zone | None = Field(
        None, description="In which it is due; where none is named, the resource's."
    )


class Recurrence(Body):
    """How it repeats, beginning with `scheduled_time`."""

    frequency: str = Field(
        description="daily, weekly, monthly, yearly, hourly, minutely or secondly.",
        examples=["weekly"],
    )
    interval: int | None = Field(None, ge=1)
    count: int | None = Field(None, ge=1)
    until: str | None = Field(None, description="A date, civil time or instant, included.")
    by_day: list[str] | str | None = Field(None, examples=[["MO", "WE"], ["-1FR"]])
    by_month_day: list[int] | int | None = None
    by_month: list[int] | int | None = None
    timezone: Zone | None = Field(None, description="Where it is not the execution timezone.")


class Schedule(Body):
    """When, in our own form: exactly one of at, cron, rrule, every and kind.

    `kind` is the form in which answers give a rule; `frequency` that of a recurrence. What else
    may stand there depends on which it is.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    at: Moment | None = Field(None, description="Once.")
    cron: str | None = Field(None, examples=["0 9 * * mon-fri"])
    rrule: str | None = Field(None, examples=["FREQ=MONTHLY;BYDAY=-1FR"])
    every: float | str | None = Field(
        None, description="Elapsed time: seconds, or text such as PT15M or 90s."
    )
    kind: Literal["at", "cron", "rrule", "every"] | None = None
    timezone: Zone | None = Field(None, description="None: the execution timezone.")
    start: str | None = Field(None, description="From then on only; for rrule where it begins.")
    end: str | None = Field(None, description="Before then only.")
    max_occurrences: int | None = Field(None, ge=1, le=1000)
    gap: Gap | None = Field(None, description="What to do with a civil time that does not exist.")
    fold: Fold | None = Field(None, description="What to do with one that happens twice.")
    calendar: dict[str, Any] | None = Field(None, description="Days and hours that are open.")
    on_closed: Literal["skip", "next_business_day", "previous_business_day"] | None = None
    jitter: float | None = Field(None, gt=0, le=86400, description="Seconds.")


class Policies(Body):
    """How the occurrences of an event are handled."""

    max_retries: int | None = Field(None, ge=0, le=1000, description="After the first attempt.")
    retry_delay_seconds: float | None = Field(
        None, ge=0, le=1e9, description="Bounds the first wait; each further one may be twice it."
    )
    timeout_seconds: float | None = Field(None, ge=0.001, le=1e9, description="Of one attempt.")
    expires_after_seconds: float | None = Field(
        None, ge=0.001, le=1e9, description="What could not begin so soon is not begun."
    )
    catch_up: CatchUp | None = Field(None, description="What is made up for after an outage.")
    catch_up_window_seconds: float | None = Field(None, ge=0.001, le=1e9)
    catch_up_limit: int | None = Field(None, ge=1, le=1000)
    overlap: Overlap | None = Field(
        None, description="What to do while another occurrence of the event is not over."
    )
    priority: int | None = Field(None, ge=0, le=9)


class NewEvent(Policies):
    """An event to schedule: at `scheduled_time`, or by `schedule`."""

    type: str = Field(
        description="Event type, in any case.",
        examples=["APPOINTMENT_REMINDER"],
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$",
    )
    service_id: str | None = Field(None, description="The caller's own, which it is without.")
    entity_id: str | int | None = Field(None, examples=["42"])
    entity_type: str | None = Field(None, description='"entity" where there is only an id.')
    scheduled_time: Moment | None = None
    timezone_context: TimezoneContext | None = None
    payload: Json = None
    recurrence: Recurrence | None = None
    schedule: Schedule | None = None
    gap: Gap | None = Field(None, description="With `scheduled_time`.")
    fold: Fold | None = Field(None, description="With `scheduled_time`.")
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Idempotency key, unique within the service; as the header Idempotency-Key.",
    )
    on_conflict: OnConflict | None = Field(
        "match", description="What to do where the id was used: match refuses other content."
    )
    on_tzdata_change: TzdataChange | None = None


class ShownContext(Shown):
    """The zones of an event; null where none was named."""

    resource_timezone: str | None
    user_timezone: str | None
    execution_timezone: str


class Scheduled(Shown):
    """What a request to schedule has led to."""

    event_id: str
    scheduled_time: Instant | None = Field(description="When it is due next.")
    timezone_context: ShownContext
    status: Status


class EventBrief(Shown):
    """An event in a list."""

    id: str = Field(description="The id that the client gave; without one, the event_id.")
    event_id: str
    type: str
    service_id: str
    entity_id: str | None
    scheduled_time: Instant | None
    timezone_context: ShownContext
    status: Status
    payload: Json


class Event(EventBrief):
    """All of an event."""

    entity_type: str | None
    schedule: dict[str, Any] = Field(description="Its rule; may be sent back as `schedule`.")
    handling: dict[str, Any] = Field(description="Policies that are not at their default.")
    on_tzdata_change: TzdataChange
    exceptions: list[str] = Field(description="Instants to come that are left out.")
    reason: str | None = Field(description="Why it is paused, where somebody said so.")
    created_at: Instant
    updated_at: Instant


class EventPage(Shown):
    """Some events, the newest first."""

    items: list[EventBrief]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class Cancelled(Shown):
    """An event that is cancelled."""

    status: Literal["cancelled"]
    event_id: str


class EntityCancelled(Shown):
    """An entity whose events are cancelled."""

    status: Literal["cancelled"]
    entity_id: str
    events_cancelled: int
