"""Two kinds of time that never mix: instants, and what a clock on the wall reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NewType

from duly.errors import InvalidTime

Instant = NewType("Instant", datetime)
"""Aware, in UTC."""
WallTime = NewType("WallTime", datetime)
"""Naive: a civil time, in whatever zone goes with it."""

FIRST_YEAR = 1970
LAST_YEAR = 2100
EARLIEST = Instant(datetime(FIRST_YEAR - 1, 12, 30, tzinfo=UTC))
"""Before every supported civil time, in every zone."""

# `fromisoformat` also takes week dates and basic formats, which people mistype rather
# than mean.
_CIVIL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?", re.ASCII)


def as_instant(moment: datetime) -> Instant:
    """Give an aware datetime as an instant.

    Raises InvalidTime when it is naive, or outside the years 1970 to 2100.
    """
    if not isinstance(moment, datetime):
        raise InvalidTime(f"an instant must be a datetime, got {moment!r:.80}")
    if moment.utcoffset() is None:
        raise InvalidTime(
            f"{moment.isoformat()} has no UTC offset, so it names no instant; give an aware "
            "datetime, or At(…, tz) for a civil time"
        )
    _check_year(moment)
    return Instant(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


def parse_wall_time(value: str | datetime) -> WallTime:
    """Give a civil time from ISO 8601 text such as "2026-03-29T09:00", or a naive datetime.

    Raises InvalidTime for anything else, or outside the years 1970 to 2100.
    """
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise InvalidTime(_has_offset(value.isoformat()))
        # The `fold` of a naive datetime says nothing here: the fold policy does.
        wall_time = value.replace(fold=0)
    elif isinstance(value, str):
        wall_time = _parse(value)
    else:
        raise InvalidTime(f"a civil time must be text or a naive datetime, got {value!r:.80}")
    _check_year(wall_time)
    return WallTime(wall_time)


def _parse(text: str) -> datetime:
    # What has an offset is no civil time, so it need not be looked for in one that is.
    if not _CIVIL.fullmatch(text):
        if re.fullmatch(r".{10,40}(Z|[+-]\d\d:?\d\d)", text):
            raise InvalidTime(_has_offset(text))
        raise InvalidTime(
            f"civil time {text!r:.80} is not of the form 2026-03-29T09:00[:00[.000000]]"
        )
    if text[11:13] == "24":
        # Python 3.14 takes it for 00:00 of the next day.
        raise InvalidTime(f"civil time {text!r} does not exist: say 00:00 of the next day")
    try:
        return datetime.fromisoformat(text.replace(",", "."))
    except ValueError as error:
        raise InvalidTime(f"civil time {text!r:.80} does not exist: {error}") from None


def _has_offset(text: str) -> str:
    return (
        f"civil time {text!r:.80} has a UTC offset, which belongs to an instant; leave it "
        "out and name the zone, or use At.instant(…)"
    )


def _check_year(moment: datetime) -> None:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidTime(
            f"{moment.isoformat()} is outside the supported years {FIRST_YEAR} to {LAST_YEAR}"
        )
