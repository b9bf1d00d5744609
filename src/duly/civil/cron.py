"""Cron expressions, exact across every change of the clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Any, Self

from cronsim import CronSim, CronSimError

from duly.civil.instants import LAST_YEAR, Instant, WallTime
from duly.civil.resolve import Due, FoldPolicy, GapPolicy, check_policies, first_due
from duly.civil.rules import VERSION
from duly.civil.zones import get_zone
from duly.errors import InvalidRule

LONGEST_EXPRESSION = 256
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_RANGES = ("0-59", "0-59", "0-23", "1-31, L or LW", "1-12 or JAN-DEC", "0-7 or SUN-SAT, 5L, 5#2")
_CHARACTERS = re.compile(r"[0-9A-Za-z*/,#@ \t-]*")
# In a leap year, so that 29 February is not taken for a date that never comes.
_PROBE_START = datetime(2000, 1, 1)
_END = datetime(LAST_YEAR + 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """By a cron expression, read in a zone.

    expr: five fields (minute, hour, day of month, month, day of week), six with seconds
        in front, or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.
    tz: IANA name.
    gap, fold: what a fixed time of day does where the clocks change.

    A job whose minute and hour hold neither `*` nor a step fires once for each local time
    that it names, across every change. Any other follows elapsed time: it fires at every
    instant at which the clocks read a time that it names, in both passes of an overlap.

    Raises InvalidRule naming the field, also for a date that never comes; UnknownZone.
    Source: Debian's cron(8); its parser is cronsim's.
    """

    expr: str
    tz: str
    gap: GapPolicy
    fold: FoldPolicy

    def __init__(
        self, expr: str, tz: str, *, gap: GapPolicy = "shift", fold: FoldPolicy = "first"
    ) -> None:
        check_policies(gap, fold)
        _parsed(_checked(expr))
        get_zone(tz)
        for name, value in (("expr", expr), ("tz", tz), ("gap", gap), ("fold", fold)):
            object.__setattr__(self, name, value)

    @property
    def zone(self) -> str:
        return self.tz

    @property
    def is_wildcard(self) -> bool:
        """Whether it follows elapsed time rather than the clock on the wall."""
        minute, hour = _fields(self.expr)[-5:-3]
        return any(sign in part for part in (minute, hour) for sign in "*/")

    def next(self, after: Instant) -> Due | None:
        zone = get_zone(self.tz)
        gap: GapPolicy = "skip" if self.is_wildcard else self.gap
        fold: FoldPolicy = "both" if self.is_wildcard else self.fold
        return first_due(self._wall_times_from, zone, after, gap=gap, fold=fold)

    def anchored(self, now: Instant) -> Self:
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": "cron",
            "expr": self.expr,
            "tz": self.tz,
            "gap": self.gap,
            "fold": self.fold,
        }

    def describe(self) -> str:
        plain = _parsed(self.expr).explain()
        return f"{plain[:1].lower()}{plain[1:]} in {self.tz} (cron {self.expr!r})"

    def _wall_times_from(self, start: WallTime) -> Iterator[WallTime]:
        # CronSim runs on naive time only: its aware iterator, begun within hours of a
        # change, gives instants in the past. It starts after the time it is given.
        found = copy(_parsed(self.expr))
        found.dt = (start - timedelta(microseconds=1)).replace(microsecond=0)
        yield from (WallTime(wall) for wall in takewhile(lambda wall: wall < _END, found))


def _expanded(expr: str) -> str:
    return NAMED.get(expr.strip().lower(), expr)


def _fields(expr: str) -> list[str]:
    return _expanded(expr).split()


def _checked(expr: object) -> str:
    if not isinstance(expr, str):
        raise InvalidRule(f"a cron expression must be text, got {expr!r:.80}")
    if len(expr) > LONGEST_EXPRESSION:
        raise InvalidRule(
            f"a cron expression has at most {LONGEST_EXPRESSION} characters, got {len(expr)}"
        )
    return expr


@lru_cache(maxsize=4096)
def _parsed(expr: str) -> CronSim:
    """Give an iterator to copy: parsing and checking costs twice what a search does.

    Raises InvalidRule naming the field that is wrong, or for a date that never comes.
    """
    parts = _fields(expr)
    if expr.strip().startswith("@") and len(parts) == 1:
        raise InvalidRule(f"cron {expr!r}: unknown name; known: {', '.join(NAMED)}")
    if len(parts) not in (5, 6) or not _CHARACTERS.fullmatch(expr):
        raise InvalidRule(
            f"cron {expr!r}: must have 5 fields (minute hour day-of-month month day-of-week), "
            "or 6 with seconds in front"
        )
    for index, part in enumerate(parts, start=6 - len(parts)):
        _check_field(expr, index, part)
    try:
        parsed = CronSim(_expanded(expr), _PROBE_START)
    except CronSimError:
        parsed = None
    if parsed is None or next(copy(parsed), None) is None:
        raise InvalidRule(f"cron {expr!r} never matches: no month has such a day")
    return parsed


def _check_field(expr: str, index: int, part: str) -> None:
    alone = ["0", "0", "0", "*", "*", "*"]
    alone[index] = part
    try:
        CronSim(" ".join(alone), _PROBE_START)
    except (CronSimError, ValueError, AssertionError, TypeError):
        raise InvalidRule(
            f"cron {expr!r}: {_FIELDS[index]} {part!r} is not of {_RANGES[index]}, with lists, "
            "ranges and steps"
        ) from None
