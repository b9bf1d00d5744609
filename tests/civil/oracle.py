"""Civil time as the `whenever` library sees it: another parser, other arithmetic, same data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Literal

import whenever

from duly.civil import zones

START = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(2038, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


def use_the_same_data() -> None:
    """Point the oracle at the data that duly reads, so that only the code differs."""
    whenever.reset_tzpath([str(files("tzdata").joinpath("zoneinfo"))])
    whenever.clear_tzcache()


def names() -> list[str]:
    """Give every zone that there is."""
    return sorted(zones.current().names)


def offset(zone: str, at: datetime) -> timedelta:
    """Give the UTC offset at an instant."""
    zoned = whenever.Instant.from_timestamp(int(at.timestamp())).to_tz(zone)
    return timedelta(seconds=zoned.offset.total("seconds"))


@cache
def transitions(zone: str) -> tuple[datetime, ...]:
    """Find every change of the offset between 2000 and 2037, from the offsets alone."""
    found: list[datetime] = []
    at, before = START, offset(zone, START)
    while at < END:
        following = at + WEEK
        after = offset(zone, following)
        if before != after:
            found += _between(zone, at, following)
        at, before = following, after
    return tuple(found)


def _between(zone: str, low: datetime, high: datetime) -> Iterator[datetime]:
    before = offset(zone, low)
    end = high
    while high - low > SECOND:
        middle = low + ((high - low) // (2 * SECOND)) * SECOND
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    yield high
    if offset(zone, high) != offset(zone, end):
        yield from _between(zone, high, end)


def instants(zone: str, local: datetime, gap: str, fold: str) -> list[datetime] | str:
    """Give the instants that a civil time names under the policies, or "reject"."""
    plain = whenever.PlainDateTime(
        local.year,
        local.month,
        local.day,
        local.hour,
        local.minute,
        local.second,
        nanosecond=local.microsecond * 1000,
    )
    earlier, later = _at(plain, zone, "earlier"), _at(plain, zone, "later")
    if earlier == later:
        return [earlier]
    if earlier + offset(zone, earlier) == local.replace(tzinfo=UTC):
        both = {"first": [earlier], "second": [later], "both": [earlier, later]}
        return both.get(fold, "reject")
    if gap == "next_valid":
        (change,) = _between(zone, _whole(earlier), _whole(later) + SECOND)
        return [change]
    return {"shift": [later], "earlier": [earlier], "skip": []}.get(gap, "reject")


def _at(plain: whenever.PlainDateTime, zone: str, which: Literal["earlier", "later"]) -> datetime:
    zoned = plain.assume_tz(zone, disambiguation=which)
    return datetime.fromtimestamp(zoned.timestamp(), UTC) + timedelta(
        microseconds=plain.nanosecond // 1000
    )


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
