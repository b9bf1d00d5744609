"""What is asked about time zones and rules: nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from duly.client.calls import EVENTS, Call, given, one_of
from duly.client.results import Conversion, Preview, Validation
from duly.client.times import Rule, timing, written_optional


def convert(
    time: datetime, to_timezones: Iterable[str], from_timezone: str | None
) -> Call[Conversion]:
    """Ask for one moment in many zones."""
    if time.utcoffset() is None and not from_timezone:
        raise ValueError(
            f"time is the civil time {time.isoformat()}: say in which zone, from_timezone=…"
        )
    return Call(
        method="POST",
        path=f"{EVENTS}/timezone/convert",
        body={
            "time": time.isoformat(),
            "to_timezones": list(to_timezones),
            **given(from_timezone=from_timezone),
        },
        read=one_of(Conversion),
    )


def validate(resource_timezone: str, user_timezone: str) -> Call[Validation]:
    """Ask what differs between two zones."""
    return Call(
        method="POST",
        path=f"{EVENTS}/timezone/validate",
        body={"resource_timezone": resource_timezone, "user_timezone": user_timezone},
        read=one_of(Validation),
    )


def preview(
    when: datetime | Rule | Mapping[str, Any], timezone: str, n: int, after: datetime | None
) -> Call[Preview]:
    """Ask for the next firings of a rule."""
    context = {"execution_timezone": timezone} if timezone else {}
    return Call(
        method="POST",
        path="/api/rules/preview",
        body=timing(when, context) | {"n": n} | given(after=written_optional(after, name="after")),
        read=one_of(Preview),
    )
