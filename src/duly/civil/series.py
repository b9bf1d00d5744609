"""Rows of civil times that are sought, never walked: days of a year, and times of a day."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from duly.civil.days import PAD
from duly.civil.instants import FIRST_YEAR, LAST_YEAR, WallTime

DAY = 86_400
"""Seconds of a day on the wall: civil time knows no clock changes."""
_MOST_HELD = 1440
"""Times that are held as they are: every minute. Every second would take some MB a rule."""
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
            position = place_from(times, second) if ordinal == day else 0
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
                position = place_from(times, second) if ordinal == day else 0
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


@dataclass(frozen=True, slots=True)
class TimesOfDay(Sequence[int]):
    """Every combination of hours, minutes and seconds, found and not held."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        rest, second = divmod(index, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return self.hours[hour] * 3600 + self.minutes[minute] * 60 + self.seconds[second]

    def place_from(self, second: int) -> int:
        """Give the place of the first at or after a second of the day."""
        hour, rest = divmod(second, 3600)
        minute, second = divmod(rest, 60)
        place = bisect_left(self.hours, hour)
        if place == len(self.hours) or self.hours[place] != hour:
            return place * len(self.minutes) * len(self.seconds)
        inside = bisect_left(self.minutes, minute)
        place = place * len(self.minutes) + inside
        if inside == len(self.minutes) or self.minutes[inside] != minute:
            return place * len(self.seconds)
        return place * len(self.seconds) + bisect_left(self.seconds, second)

    def __iter__(self) -> Iterator[int]:
        for hour in self.hours:
            for minute in self.minutes:
                first = hour * 3600 + minute * 60
                for second in self.seconds:
                    yield first + second


@lru_cache(maxsize=256)
def times_of_day(
    hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]
) -> Sequence[int]:
    """Give every combination, ascending, in seconds since midnight; a value that hashes."""
    times = TimesOfDay(hours, minutes, seconds)
    return tuple(times) if len(times) <= _MOST_HELD else times


def place_from(times: Sequence[int], second: int) -> int:
    """Give the place of the first of some times at or after a second of the day."""
    if isinstance(times, TimesOfDay):
        return times.place_from(second)
    return bisect_left(times, second)
