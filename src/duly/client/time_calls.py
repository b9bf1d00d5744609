"""What is asked about time zones and rules: nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from duly.client.calls import EVENTS, Call, given, one_of
from duly.client.results import Conversion, Explanation, Preview, Validation
from duly.client.times import Rule, timing, written_optional

RULES = "/api/rules"


def convert(
    time: datetime, to_timezones: Iterable[str], *, from_timezone: str | None = None
) -> Call[Conversion]:
    """Give one moment as it is read in many zones.

    time: an instant (aware), or a civil time (naive) in `from_timezone`.
    """
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
    """Say what differs between two zones, and what is wrong with them."""
    return Call(
        method="POST",
        path=f"{EVENTS}/timezone/validate",
        body={"resource_timezone": resource_timezone, "user_timezone": user_timezone},
        read=one_of(Validation),
    )


def preview(
    when: datetime | Rule | Mapping[str, Any],
    *,
    timezone: str = "",
    n: int = 10,
    after: datetime | None = None,
) -> Call[Preview]:
    """Give the next firings of a rule, which is said as in `schedule`; schedules nothing.

    n: 1 to 1,000. after: aware; None: now.
    """
    body = _rule(when, timezone, after) | {"n": n}
    return Call(method="POST", path=f"{RULES}/preview", body=body, read=one_of(Preview))


def explain_rule(
    when: datetime | Rule | Mapping[str, Any],
    *,
    timezone: str = "",
    after: datetime | None = None,
) -> Call[Explanation]:
    """Say why the next firing of a rule is when it is; see `preview` for the arguments."""
    body = _rule(when, timezone, after)
    return Call(method="POST", path=f"{RULES}/explain", body=body, read=one_of(Explanation))


def _rule(
    when: datetime | Rule | Mapping[str, Any], timezone: str, after: datetime | None
) -> dict[str, Any]:
    context = {"execution_timezone": timezone} if timezone else {}
    return timing(when, context) | given(after=written_optional(after, name="after"))
