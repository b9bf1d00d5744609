"""Rows of civil times that are sought, never walked: days of a year, and times of a day."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from duly.civil.days import PAD
from duly.civil.instants import FIRST_YEAR, LAST_YEAR, WallTime

DAY = 86_400
"""Seconds of a day on the wall: civil time knows no clock changes."""
_YEARS = range(FIRST_YEAR - 1, LAST_YEAR + 1)
_FIRST_DAYS = {
    number: date(number, 1, 1).toordinal() for number in range(FIRST_YEAR - 2, LAST_YEAR + 3)
}
_END = _FIRST_DAYS[LAST_YEAR + 1]


def first_day(year: int) -> int:
    """Give the proleptic ordinal of 1 January."""
    return _FIRST_DAYS[year]


class Series(ABC):
    """An ascending row of civil times, from 1969 to 2100, to the second."""

    __slots__ = ()

    spills: bool = False
    """Whether some days of a year lie in the years beside it."""
    per_day: int = 0
    """How many times every day has; 0 where days differ, or spill."""

    @abstractmethod
    def days(self, year: int) -> int:
        """Give the days of a year that have times, as `duly.civil.days` holds them."""

    @abstractmethod
    def times(self, year: int, index: int) -> Sequence[int]:
        """Give the times of such a day, ascending, in seconds since midnight; maybe none."""

    def days_from(self, ordinal: int, year: int) -> Iterator[tuple[int, Sequence[int]]]:
        """Give each day from one on that may have times, with them.

        ordinal, year: of the first day.
        """
        for number in range(max(year - self.spills, _YEARS.start), _YEARS.stop):
            first = _FIRST_DAYS[number] - PAD
            days = self.days(number)
            if ordinal > first:
                days = days >> ordinal - first << ordinal - first
            while days:
                lowest = days & -days
                position = lowest.bit_length() - 1
                # A day moved out of a year may be one of the next year's own as well.
                ordinal = first + position + 1
                if ordinal > _END:
                    return
                yield ordinal - 1, self.times(number, position - PAD)
                days ^= lowest

    def first_from(self, start: datetime) -> WallTime | None:
        """Give the first civil time at or after `start` (naive); None after the year 2100."""
        day = start.toordinal()
        second = start.hour * 3600 + start.minute * 60 + start.second + (start.microsecond > 0)
        for ordinal, times in self.days_from(day, start.year):
            position = bisect_left(times, second) if ordinal == day else 0
            if position < len(times):
                return _wall_time(ordinal, times[position])
        return None

    def nth_from(self, start: datetime, n: int) -> WallTime | None:
        """Give the n-th civil time at or after `start`; None where there are fewer."""
        day, year = start.toordinal(), start.year
        second = start.hour * 3600 + start.minute * 60 + start.second + (start.microsecond > 0)
        while day < _END:
            for ordinal, times in self.days_from(day, year):
                if self.per_day and ordinal >= _FIRST_DAYS[year + 1]:
                    break
                position = bisect_left(times, second) if ordinal == day else 0
                if n <= len(times) - position:
                    return _wall_time(ordinal, times[position + n - 1])
                n -= len(times) - position
            else:
                return None
            # Whole years are counted, not walked.
            year, second = year + 1, 0
            while (size := self.days(year).bit_count() * self.per_day) < n and year < LAST_YEAR:
                n -= size
                year += 1
            day = _FIRST_DAYS[year]
        return None


def _wall_time(ordinal: int, second: int) -> WallTime:
    return WallTime(datetime.fromordinal(ordinal) + timedelta(seconds=second))


@lru_cache(maxsize=1024)
def times_of_day(
    hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]
) -> Sequence[int]:
    """Give every combination, ascending, in seconds since midnight."""
    return [
        hour * 3600 + minute * 60 + second
        for hour in hours
        for minute in minutes
        for second in seconds
    ]
