"""What a cron expression says, field by field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from duly.errors import InvalidRule

DayMatch = Literal["vixie", "and"]

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
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_LAST_OF_MONTH = re.compile(r"L(?:-([0-9]{1,2}))?", re.ASCII)
_NEAREST = re.compile(r"([0-9]{1,2})W", re.ASCII)
_NUMBERED_WEEKDAY = re.compile(r"([0-9]|[A-Z]{3})(?:#([1-5])|(L))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the six fields, and what it may hold."""

    name: str
    first: int
    last: int
    said: str
    """What it may hold, in words."""
    names: tuple[str, ...] = ()


_SECOND = Field("second", 0, 59, "0-59")
_MINUTE = Field("minute", 0, 59, "0-59")
_HOUR = Field("hour", 0, 23, "0-23")
_MONTH_DAY = Field("day-of-month", 1, 31, "1-31, L, L-3, LW or 15W")
_MONTH = Field("month", 1, 12, "1-12 or JAN-DEC", MONTHS)
_WEEKDAY = Field("day-of-week", 0, 7, "0-7 or SUN-SAT, 5L or 5#2", WEEKDAYS)
FIELDS = (_SECOND, _MINUTE, _HOUR, _MONTH_DAY, _MONTH, _WEEKDAY)


class Days(NamedTuple):
    """The days that an expression names."""

    months: tuple[int, ...]
    month_days: tuple[int, ...]
    """1 is the first, -1 the last."""
    nearest: tuple[int, ...]
    """Days of the month of which the nearest Monday to Friday is meant."""
    last_weekday: bool
    """Whether the last Monday to Friday of the month is meant."""
    weekdays: tuple[int, ...]
    """Monday is 0."""
    numbered: tuple[tuple[int, int], ...]
    """(2, 4) is the second Friday of the month, (-1, 4) the last."""
    either: bool
    """Whether a day need match only one of the two day fields."""


class Expression(NamedTuple):
    """What an expression says."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    is_wildcard: bool
    """Whether minute or hour holds `*` or a step."""


def parse(expr: object, day_match: DayMatch = "vixie") -> Expression:
    """Read an expression of five fields, of six with seconds in front, or an @name.

    Raises InvalidRule naming the field that is wrong.
    """
    parts = _parts(expr)
    second, minute, hour, month_day, month, weekday = parts
    try:
        monthly = _month_days(month_day)
        weekly = _weekdays(weekday)
        either = day_match == "vixie" and not (_is_star(month_day) or _is_star(weekday))
        return Expression(
            _numbers(0, second),
            _numbers(1, minute),
            _numbers(2, hour),
            Days(_numbers(4, month), *monthly, *weekly, either),
            any(sign in part for part in (minute, hour) for sign in "*/"),
        )
    except _Wrong as wrong:
        field, part = FIELDS[wrong.index], parts[wrong.index]
        raise InvalidRule(
            f"cron {expr!r}: {field.name} {part!r} is not of {field.said}, with lists, ranges "
            f"and steps{wrong.hint}"
        ) from None


def _parts(expr: object) -> list[str]:
    if not isinstance(expr, str):
        raise InvalidRule(f"a cron expression must be text, got {expr!r:.80}")
    if len(expr) > LONGEST_EXPRESSION:
        raise InvalidRule(
            f"a cron expression has at most {LONGEST_EXPRESSION} characters, got {len(expr)}"
        )
    text = expr.strip()
    if text.startswith("@") and len(text.split()) == 1:
        if text.lower() == "@reboot":
            raise InvalidRule(f"cron {expr!r} names no time; schedule what a start needs yourself")
        if text.lower() not in NAMED:
            raise InvalidRule(f"cron {expr!r}: unknown name; known: {', '.join(NAMED)}")
        text = NAMED[text.lower()]
    parts = text.upper().split()
    if len(parts) not in (5, 6) or not text.isascii():
        raise InvalidRule(
            f"cron {expr!r}: must have 5 fields (minute hour day-of-month month day-of-week), "
            "or 6 with seconds in front"
        )
    return parts if len(parts) == len(FIELDS) else ["0", *parts]


class _Wrong(Exception):
    """A field that cannot be read."""

    def __init__(self, index: int, hint: str = "") -> None:
        self.index = index
        self.hint = hint


@lru_cache(maxsize=4096)
def _numbers(index: int, part: str) -> tuple[int, ...]:
    """Give the numbers that a field lists."""
    found: set[int] = set()
    for item in part.split(","):
        found.update(_range(index, item))
    return tuple(sorted(found))


def _range(index: int, item: str) -> range:
    field = FIELDS[index]
    bounds, slash, step = item.partition("/")
    if bounds == "*":
        first, last = field.first, field.last - (field is _WEEKDAY)
    else:
        low, dash, high = bounds.partition("-")
        first = _number(index, low)
        if dash:
            last = _number(index, high)
        else:
            # As others read "5/15": from there to the end.
            last = field.last - (field is _WEEKDAY) if slash else first
        if field is _WEEKDAY and first > last == 0:
            last = 7  # Sunday ends a week as well as it begins one.
    if first > last:
        raise _Wrong(index, f"; a range goes up, so {bounds} is two of them")
    if not slash:
        return range(first, last + 1)
    if not _NUMBER.fullmatch(step) or int(step) == 0:
        raise _Wrong(index, f"; a step is a whole number from 1, got {step!r}")
    return range(first, last + 1, int(step))


def _number(index: int, text: str) -> int:
    field = FIELDS[index]
    if _NUMBER.fullmatch(text):
        number = int(text)
    elif text in field.names:
        number = field.names.index(text) + field.first
    else:
        raise _Wrong(index)
    if not field.first <= number <= field.last:
        raise _Wrong(index)
    return number


def _is_star(part: str) -> bool:
    # Debian's cron looks at the first character only: "*/2" counts as a star.
    return part[0] in "*?"


@lru_cache(maxsize=4096)
def _month_days(part: str) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Give numbered days, days whose nearest weekday is meant, and whether LW is there."""
    plain: list[str] = []
    days: set[int] = set()
    nearest: set[int] = set()
    last_weekday = False
    for item in ("*" if part == "?" else part).split(","):
        if item == "LW":
            last_weekday = True
        elif found := _LAST_OF_MONTH.fullmatch(item):
            before = int(found[1] or 0)
            if before > 30:
                raise _Wrong(3)
            days.add(-1 - before)
        elif found := _NEAREST.fullmatch(item):
            nearest.add(_number(3, found[1]))
        else:
            plain.append(item)
    if plain:
        days.update(_numbers(3, ",".join(plain)))
    return tuple(sorted(days)), tuple(sorted(nearest)), last_weekday


@lru_cache(maxsize=4096)
def _weekdays(part: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Give plain weekdays and numbered ones; Monday is 0."""
    plain: list[str] = []
    numbered: set[tuple[int, int]] = set()
    for item in ("*" if part == "?" else part).split(","):
        if found := _NUMBERED_WEEKDAY.fullmatch(item):
            weekday = (_number(5, found[1]) - 1) % 7
            numbered.add((int(found[2]) if found[2] else -1, weekday))
        else:
            plain.append(item)
    days = {(number - 1) % 7 for number in _numbers(5, ",".join(plain))} if plain else set()
    return tuple(sorted(days)), tuple(sorted(numbered))
