"""Days of a year as bits of one number, so that rules are set algebra and nothing is walked.

The Gregorian calendar has few kinds of year: leap or not, by the weekday of 1 January.
What a rule says of days is worked out once for each kind, and years are then looked up.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Literal, NamedTuple

Skip = Literal["omit", "backward", "forward"]
"""What becomes of a day that a month or a year does not have. Source: RFC 7529."""

PAD = 8
"""Days of the years before and after that a year shows too: week 1 may begin in December."""
MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6
_DAYS_OF_WEEK = 7
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY, _DECEMBER = 2, 12
# ISO 8601 and RFC 5545: the first week of a year has at least four of its days.
_MOST_BEFORE_WEEK_ONE = 3


class Month(NamedTuple):
    """A month, by the days of a year."""

    number: int
    first: int
    """The index of its first day: 0 is 1 January."""
    length: int

    @property
    def end(self) -> int:
        """The index of the day after its last."""
        return self.first + self.length


@dataclass(frozen=True, eq=False, slots=True)
class Year:
    """A kind of year."""

    weekday: int
    """The weekday of 1 January; Monday is 0."""
    length: int
    lengths_beside: tuple[int, int]
    """The lengths of the years before and after."""
    months: tuple[Month, ...]
    """Its twelve months."""
    months_shown: tuple[Month, ...]
    """And the December before and the January after."""

    @property
    def own(self) -> int:
        """Its own days, without those of the years beside it."""
        return span(0, self.length)


def year(number: int) -> Year:
    """Give the kind of a year."""
    return _years[number] if number in _years else _found(number)


_years: dict[int, Year] = {}


def _found(number: int) -> Year:
    lengths = [366 if isleap(number + step) else 365 for step in (-1, 0, 1)]
    kind = _kind(date(number, 1, 1).weekday(), lengths[1], (lengths[0], lengths[2]))
    return _years.setdefault(number, kind)


@cache
def _kind(weekday: int, length: int, beside: tuple[int, int]) -> Year:
    months, first = [], 0
    for number, usual in enumerate(_LENGTHS, start=1):
        month = Month(number, first, usual + (number == _FEBRUARY and length == 366))
        months.append(month)
        first = month.end
    shown = (Month(_DECEMBER, -31, 31), *months, Month(1, length, 31))
    return Year(weekday, length, beside, tuple(months), shown)


def bit(index: int) -> int:
    """Give the set of one day; days that a year does not show are left out."""
    return 1 << index + PAD if index >= -PAD else 0


def span(first: int, end: int) -> int:
    """Give the days from `first` up to, not including, `end`."""
    low, high = max(first, -PAD) + PAD, max(end, -PAD) + PAD
    return (1 << high) - (1 << low) if high > low else 0


def indices(days: int) -> Iterator[int]:
    """Give the days of a set, ascending."""
    while days:
        lowest = days & -days
        yield lowest.bit_length() - 1 - PAD
        days ^= lowest


def every(step: int, first: int, length: int) -> int:
    """Give every so many days: `first`, `first + step` … within a year of `length` days."""
    days, index = 0, first % step
    index -= step * ((index + PAD) // step)
    while index < length + PAD:
        days |= bit(index)
        index += step
    return days


@lru_cache(maxsize=4096)
def weekdays(kind: Year, wanted: tuple[int, ...]) -> int:
    """Give the days that are one of these weekdays."""
    days = 0
    for weekday in wanted:
        days |= every(_DAYS_OF_WEEK, weekday - kind.weekday, kind.length)
    return days


@lru_cache(maxsize=4096)
def months(kind: Year, wanted: tuple[int, ...]) -> int:
    """Give the days of these months."""
    days = 0
    for month in kind.months_shown:
        if month.number in wanted:
            days |= span(month.first, month.end)
    return days


def month_days(of: Iterable[Month], wanted: tuple[int, ...], skip: Skip = "omit") -> int:
    """Give these days of some months: 1 is the first of each, -1 its last."""
    days = 0
    for month in of:
        for number in wanted:
            index = _placed(number, month.length, skip)
            if index is not None:
                days |= bit(month.first + index)
    return days


def year_days(kind: Year, wanted: tuple[int, ...], skip: Skip = "omit") -> int:
    """Give these days of the year: 1 is 1 January, -1 is 31 December.

    Those of the years beside it are given too, where the year shows them.
    """
    days = 0
    for number in wanted:
        index = _placed(number, kind.length, skip)
        if index is not None:
            days |= bit(index)
        before, after = kind.lengths_beside
        for first, length in ((-before, before), (kind.length, after)):
            index = _placed(number, length, "omit")
            if index is not None and -PAD <= first + index < kind.length + PAD:
                days |= bit(first + index)
    return days


def _placed(number: int, length: int, skip: Skip) -> int | None:
    """Give the index of a numbered day, from either end, or where it is moved to."""
    index = number - 1 if number > 0 else length + number
    if 0 <= index < length:
        return index
    if skip == "omit":
        return None
    # The day before a month's first and the one after its last belong to its neighbours.
    if skip == "backward":
        return length - 1 if number > 0 else -1
    return length if number > 0 else 0


def nth_weekdays(first: int, length: int, kind: Year, wanted: tuple[tuple[int, int], ...]) -> int:
    """Give numbered weekdays, (2, 0) for the second Monday, of the days from `first` on."""
    days = 0
    for number, weekday in wanted:
        ahead = (weekday - kind.weekday - first) % _DAYS_OF_WEEK
        there = (length - 1 - ahead) // _DAYS_OF_WEEK + 1
        position = number - 1 if number > 0 else there + number
        if 0 <= position < there:
            days |= bit(first + ahead + position * _DAYS_OF_WEEK)
    return days


def first_week(kind: Year, week_start: int) -> int:
    """Give the index of the first day of week 1; below 0 in the December before."""
    ahead = (week_start - kind.weekday) % _DAYS_OF_WEEK
    return ahead - _DAYS_OF_WEEK if ahead > _MOST_BEFORE_WEEK_ONE else ahead


def weeks(kind: Year, wanted: tuple[int, ...], week_start: int) -> int:
    """Give the days of numbered weeks of the year; -1 is the last week.

    Source: RFC 5545 3.3.10, BYWEEKNO; ISO 8601.
    """
    start = first_week(kind, week_start)
    following = (week_start - kind.weekday - kind.length) % _DAYS_OF_WEEK
    end = kind.length + following
    if following > _MOST_BEFORE_WEEK_ONE:
        end -= _DAYS_OF_WEEK
    there = (end - start) // _DAYS_OF_WEEK
    days = 0
    for number in wanted:
        position = number - 1 if number > 0 else there + number
        if 0 <= position < there:
            first = start + position * _DAYS_OF_WEEK
            days |= span(first, first + _DAYS_OF_WEEK)
    return days


def nearest_weekday(month: Month, number: int, kind: Year) -> int | None:
    """Give the index of the Monday to Friday nearest a day, within its month."""
    if number > month.length:
        return None
    index = month.first + number - 1
    weekday = (kind.weekday + index) % _DAYS_OF_WEEK
    if weekday == SATURDAY:
        return index - 1 if number > 1 else index + 2
    if weekday == SUNDAY:
        return index + 1 if number < month.length else index - 2
    return index


def last_weekday(month: Month, kind: Year) -> int:
    """Give the index of the last Monday to Friday of a month."""
    index = month.end - 1
    weekday = (kind.weekday + index) % _DAYS_OF_WEEK
    return index - max(0, weekday - FRIDAY)
