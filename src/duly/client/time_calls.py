"""What is asked about time zones and rules: nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from duly.client.calls import EVENTS, Call, given, one_of
from duly.client.results import Conversion, Validation


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
