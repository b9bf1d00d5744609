"""Time zones: what is asked of them, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Moment, Shown, Zone
from duly.rest.schemas.events import Fold, Gap


class ConvertRequest(Body):
    """A moment, and where it is to be read."""

    time: Moment
    from_timezone: Zone | None = Field(None, description="Of a time without an offset.")
    to_timezones: Annotated[list[Zone], Field(max_length=1000)]
    gap: Gap = Field("shift", description="What to do with a civil time that does not exist.")
    fold: Fold = Field("first", description="What to do with one that happens twice.")


class Reading(Shown):
    """What the clocks of one zone read."""

    zone: str
    local: Instant
    offset: str
    dst_active: bool


class ConvertAnswer(Shown):
    """One instant, as it is read in each zone."""

    original_time: str
    at: Instant
    conversions: dict[str, Reading]


class ValidateRequest(Body):
    """Two zones that are used together."""

    resource_timezone: str = Field(max_length=200)
    user_timezone: str = Field(max_length=200)
    at: Moment | None = Field(None, description="When they are compared: an instant. None: now.")
    local_time: Moment | None = Field(None, description="A civil time to look at as well.")
    execution_timezone: str | None = Field(
        None, max_length=200, description="In which `local_time` is read; None: the resource's."
    )


class Warned(Shown):
    """Something that people trip over."""

    code: Literal[
        "unknown_zone",
        "renamed_zone",
        "different_dst",
        "difference_changes",
        "missing_local_time",
        "ambiguous_local_time",
    ]
    message: str


class ValidateAnswer(Shown):
    """What is to be known of both."""

    resource_timezone: str
    user_timezone: str
    offset_difference_hours: float | None = Field(
        description="How far the user's clocks are ahead; null where a zone is unknown."
    )
    resource_dst_active: bool | None
    user_dst_active: bool | None
    warnings: list[Warned]
    compatible: bool
