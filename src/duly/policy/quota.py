"""Quotas: how much a service may ask for, and what is left of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from duly.errors import ConfigurationError
from duly.policy.limits import check_count
from duly.policy.rate import Rate

REQUESTS, EVENTS, PENDING, PAYLOAD_BYTES = "requests", "events", "pending", "payload_bytes"
_NAMES = (REQUESTS, EVENTS, PENDING, PAYLOAD_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a service may ask for over REST; None: as much as it likes.

    Raises ConfigurationError naming the field, its value and the rule.
    """

    requests: Rate | None = None
    """How many requests: "50/s" are 50 at once, and then one each 20 ms."""
    events: Rate | None = None
    """How many events it schedules, the same. A bulk of more than that is taken by a service
    that has asked for none lately, and it then waits the longer."""
    pending: int | None = None
    """How many of its events may be scheduled and yet to fire."""
    payload_bytes: int | None = None
    """Largest payload, in bytes of its JSON text; DULY["PAYLOAD_MAX_BYTES"] holds as well."""

    def __post_init__(self) -> None:
        for name in (PENDING, PAYLOAD_BYTES):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in _NAMES)


NO_QUOTA = Quota()


def quota_from(given: object) -> Quota:
    """Read the option "quota" of a service: a dict such as {"requests": "50/s"}.

    Raises ConfigurationError for an unknown key ("did you mean …?") or a bad value.
    """
    if given is None:
        return NO_QUOTA
    if isinstance(given, Quota):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"quota must be a dict, got {given!r:.60}")
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _NAMES:
            near = get_close_matches(str(key), _NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(_NAMES)}"
            raise ConfigurationError(f"quota has no {key!r:.60}; {hint}")
        is_rate = key in (REQUESTS, EVENTS) and value is not None
        values[key] = _rate(key, value) if is_rate else value
    return Quota(**values)


def _rate(name: str, value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    try:
        return Rate.parse(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"quota {name!r}: {error}") from None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one quota."""

    name: str
    limit: int
    """How much it is in all."""
    left: int
    full_in: timedelta = timedelta(0)
    """Until all of it is there again; zero where no time says so."""
    per: timedelta = timedelta(0)
    """The span that the limit is for; zero: for as long as it lasts."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of the quotas that were looked at."""

    quotas: tuple[Left, ...] = ()

    def __add__(self, other: Remaining) -> Remaining:
        names = {one.name for one in other.quotas}
        return Remaining((*(one for one in self.quotas if one.name not in names), *other.quotas))

    def headers(self) -> dict[str, str]:
        """Give the headers of an answer; none where the service has no quota.

        `X-RateLimit-*` tell of the quota that is the nearest to its end.
        Source: draft-ietf-httpapi-ratelimit-headers-10 for `RateLimit` and `RateLimit-Policy`.
        """
        if not self.quotas:
            return {}
        tightest = min(self.quotas, key=lambda one: one.left / one.limit)
        return {
            "RateLimit": ", ".join(
                f'"{one.name}";r={one.left};t={_seconds(one.full_in)}' for one in self.quotas
            ),
            "RateLimit-Policy": ", ".join(
                f'"{one.name}";q={one.limit}' + (f";w={_seconds(one.per)}" if one.per else "")
                for one in self.quotas
            ),
            "X-RateLimit-Limit": str(tightest.limit),
            "X-RateLimit-Remaining": str(tightest.left),
            "X-RateLimit-Reset": str(_seconds(tightest.full_in)),
        }


def _seconds(span: timedelta) -> int:
    return max(0, math.ceil(span.total_seconds()))


@dataclass(frozen=True, slots=True)
class Taking:
    """So many tokens of a bucket, as numbers that a database adds and compares.

    All in microseconds; a bucket is the time at which it is full again.
    """

    cost: int
    """By how much that is put off."""
    latest: int
    """When it may be at the latest before the taking, or the tokens are not there yet."""

    @classmethod
    def of(cls, rate: Rate, count: int, now_us: int) -> Taking:
        """Take `count` tokens. More than the bucket holds go when it is full, and overdraw it.

        Source: the generic cell rate algorithm, ITU-T I.371.
        """
        per = microseconds(rate.per)
        cost = per * count // rate.count
        return cls(cost, now_us + max(0, per - cost))


def left_of(name: str, rate: Rate, full_at_us: int, now_us: int) -> Left:
    """Say what is left in a bucket that is full again at an instant."""
    lacks = max(0, full_at_us - now_us)
    per = microseconds(rate.per)
    left = max(0, (per - lacks) * rate.count // per)
    return Left(name, rate.count, left, timedelta(microseconds=lacks), rate.per)


def microseconds(span: timedelta) -> int:
    """Give a span as a whole number."""
    return span // timedelta(microseconds=1)
