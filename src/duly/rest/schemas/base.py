"""What all bodies have in common."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field


class Body(Schema):
    """A body that is taken: nothing else may stand in it, and no text is taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shown(Schema):
    """A body that is given."""


Zone = Annotated[
    str, Field(description="IANA name of a time zone.", examples=["Europe/Berlin"], max_length=64)
]
Moment = Annotated[
    str,
    Field(
        description="ISO 8601: an instant with an offset or Z, or a civil time without one.",
        examples=["2031-03-30T09:00", "2031-03-30T07:00:00Z"],
        max_length=64,
    ),
]
Instant = Annotated[
    str,
    Field(
        description="ISO 8601 with the UTC offset in force there.",
        json_schema_extra={"format": "date-time"},
    ),
]
Json = Annotated[Any, Field(description="Any JSON value.")]


class Problem(Shown):
    """Why a request was refused. Source: RFC 9457."""

    type: str = Field(description="`urn:duly:problem:` and a name that stays the same.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, with the value, and what to do.")
    field: str | None = Field(None, description="Where: a path, a parameter or a header.")
    value: Any = Field(None, description="What stands there; long ones are cut.")
    rule: str | None = Field(None, description="What must hold.")
    errors: list[dict[str, Any]] | None = Field(
        None, description="Field and rule of each, where several are wrong."
    )
