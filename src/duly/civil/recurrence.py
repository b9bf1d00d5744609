"""Recurrence rules as rows of civil times. Source: RFC 5545 3.3.10, with RFC 7529's SKIP."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from duly.civil import days
from duly.civil.days import Month, Skip, Year
from duly.civil.instants import WallTime
from duly.civil.rrule_text import Parts
from duly.civil.series import DAY, Series, first_day, place_from, times_of_day

_WEEK = 7
_MONTHS = 12
_UNITS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}
_SECOND = timedelta(seconds=1)
_ALL_HOURS, _ALL_SIXTY = tuple(range(24)), tuple(range(60))


class RecurrenceSet:
    """The civil times of a rule from its start on, with dates added and left out."""

    __slots__ = ("_exdates", "_first", "_last", "_rdates", "_series")

    def __init__(
        self,
        series: Series,
        first: datetime,
        last: datetime | None,
        exdates: Iterable[WallTime],
        rdates: Iterable[WallTime],
    ) -> None:
        self._series = series
        self._first = first
        self._last = last
        self._exdates = frozenset(exdates)
        self._rdates = sorted(frozenset(rdates) - self._exdates)

    def first_from(self, start: datetime) -> WallTime | None:
        """Give the first of them at or after `start`."""
        found = self._of_rule(start)
        position = bisect_left(self._rdates, start)
        if position == len(self._rdates):
            return found
        added = self._rdates[position]
        return added if found is None else min(found, added)

    def _of_rule(self, start: datetime) -> WallTime | None:
        start = max(start, self._first)
        while True:
            found = self._series.first_from(start)
            if found is None or (self._last is not None and found > self._last):
                return None
            if found not in self._exdates:
                return found
            start = found + _SECOND


def series(parts: Parts, start: datetime) -> Series:
    """Give the row of civil times that a rule names, its parts filled in from its start."""
    whole = _with_times(with_days(parts, start), start)
    times = times_of_day(whole.by_hour, whole.by_minute, whole.by_second)
    if whole.freq in _UNITS:
        return _finer_than_daily(whole, start)
    rule = _day_rule(whole)
    if not whole.by_position:
        return _Days(rule, whole.interval, start, times)
    if whole.freq == "DAILY":
        return _Days(rule, whole.interval, start, _chosen(times, whole.by_position))
    return _Chosen(rule, whole.interval, start, times, whole.by_position)


def with_days(parts: Parts, start: datetime) -> Parts:
    """Fill in the days that a rule leaves to its start."""
    named = parts.by_day or parts.by_numbered_day or parts.by_month_day
    weekday, day = (start.weekday(),), (start.day,)
    match parts.freq:
        case "WEEKLY" if not named:
            return replace(parts, by_day=weekday)
        case "MONTHLY" if not named:
            return replace(parts, by_month_day=day)
        case "YEARLY" if not (named or parts.by_year_day):
            if parts.by_week:
                return replace(parts, by_day=weekday)
            return replace(parts, by_month=parts.by_month or (start.month,), by_month_day=day)
    return parts


def _with_times(parts: Parts, start: datetime) -> Parts:
    """Fill in the times that a rule leaves to its start, or to each of its units."""
    return replace(
        parts,
        by_hour=parts.by_hour or (_ALL_HOURS if parts.freq in _UNITS else (start.hour,)),
        by_minute=parts.by_minute
        or (_ALL_SIXTY if parts.freq in ("MINUTELY", "SECONDLY") else (start.minute,)),
        by_second=parts.by_second or (_ALL_SIXTY if parts.freq == "SECONDLY" else (start.second,)),
    )


class _DayRule(NamedTuple):
    """What a rule says of days, whatever its interval."""

    freq: str
    months: tuple[int, ...]
    weeks: tuple[int, ...]
    year_days: tuple[int, ...]
    month_days: tuple[int, ...]
    weekdays: tuple[int, ...]
    numbered: tuple[tuple[int, int], ...]
    week_start: int
    skip: Skip

    @property
    def spills(self) -> bool:
        """Whether days of one year may be those of the year beside it."""
        return bool(self.weeks) or (bool(self.year_days) and self.skip != "omit")


def _day_rule(parts: Parts) -> _DayRule:
    return _DayRule(
        parts.freq if parts.freq not in _UNITS else "DAILY",
        parts.by_month,
        parts.by_week,
        parts.by_year_day,
        parts.by_month_day,
        parts.by_day,
        parts.by_numbered_day,
        parts.week_start,
        parts.skip,
    )


class _Days(Series):
    """Days of a rule, each with the same times."""

    __slots__ = ("_anchor", "_interval", "_rule", "_times", "per_day", "spills")

    def __init__(
        self, rule: _DayRule, interval: int, start: datetime, times: Sequence[int]
    ) -> None:
        self._rule = rule
        self._interval = interval
        self._anchor = _anchor(rule, start)
        self._times = times
        self.spills = rule.spills
        self.per_day = 0 if self.spills else len(times)

    def days(self, year: int) -> int:
        phase = _phase(self._rule.freq, self._interval, self._anchor, year)
        return _days(self._rule, days.year(year), self._interval, phase)

    def times(self, year: int, index: int) -> Sequence[int]:
        return self._times


class _Chosen(Series):
    """Days and times picked by their position in each week, month or year."""

    __slots__ = ("_anchor", "_interval", "_positions", "_rule", "_times", "spills")

    def __init__(
        self,
        rule: _DayRule,
        interval: int,
        start: datetime,
        times: Sequence[int],
        positions: tuple[int, ...],
    ) -> None:
        self._rule = rule
        self._interval = interval
        self._anchor = _anchor(rule, start)
        self._times = times
        self._positions = positions
        # A week is of the year that it begins in.
        self.spills = rule.spills or rule.freq == "WEEKLY"

    def days(self, year: int) -> int:
        return self._picked(year)[0]

    def times(self, year: int, index: int) -> Sequence[int]:
        return self._picked(year)[1][index]

    def _picked(self, year: int) -> tuple[int, Mapping[int, Sequence[int]]]:
        phase = _phase(self._rule.freq, self._interval, self._anchor, year)
        kind = days.year(year)
        return _picked(self._rule, kind, self._interval, phase, self._times, self._positions)


class _Steps(Series):
    """Every so many hours, minutes or seconds, where a day's times depend on the day."""

    __slots__ = ("_anchor", "_interval", "_rule", "_times", "_units", "spills")

    def __init__(
        self,
        rule: _DayRule,
        interval: int,
        anchor: int,
        units: int,
        times: Mapping[int, Sequence[int]],
    ) -> None:
        self._rule = rule
        self._interval = interval
        self._anchor = anchor
        self._units = units
        self._times = times
        self.spills = rule.spills

    def days(self, year: int) -> int:
        return _days(self._rule, days.year(year), 1, 0)

    def times(self, year: int, index: int) -> Sequence[int]:
        phase = (self._anchor - (first_day(year) + index) * self._units) % self._interval
        return self._times.get(phase, ())


class _Strides(Series):
    """Every so many hours, minutes or seconds, more of them than a day has."""

    __slots__ = ("_anchor", "_interval", "_rule", "_times", "_units", "spills")

    def __init__(
        self, rule: _DayRule, interval: int, anchor: int, units: int, times: Sequence[int]
    ) -> None:
        self._rule = rule
        self._interval = interval
        self._anchor = anchor
        self._units = units
        self._times = times
        self.spills = rule.spills

    def days(self, year: int) -> int:
        return _days(self._rule, days.year(year), 1, 0)

    def times(self, year: int, index: int) -> Sequence[int]:
        unit = (self._anchor - (first_day(year) + index) * self._units) % self._interval
        if unit >= self._units:
            return ()
        size = DAY // self._units
        low = place_from(self._times, unit * size)
        return self._times[low : place_from(self._times, (unit + 1) * size)]


class _Never(Series):
    """No time at all."""

    __slots__ = ()

    def days(self, year: int) -> int:
        return 0

    def times(self, year: int, index: int) -> Sequence[int]:
        return ()


def _finer_than_daily(parts: Parts, start: datetime) -> Series:
    size = _UNITS[parts.freq]
    units = DAY // size
    second = start.hour * 3600 + start.minute * 60 + start.second
    anchor = start.toordinal() * units + second // size
    times = _unit_times(size, parts.by_hour, parts.by_minute, parts.by_second, parts.by_position)
    rule, interval = _day_rule(parts), parts.interval
    # Of all phases, a day can only have those that its units reach.
    reached = gcd(units, interval)
    if not any((second // size - anchor) % reached == 0 for second in times):
        return _Never()
    if interval > units:
        return _Strides(rule, interval, anchor, units, times)
    by_phase = _by_phase(times, size, interval)
    if units % interval == 0:
        return _Days(rule, 1, start, by_phase[anchor % interval])
    return _Steps(rule, interval, anchor, units, by_phase)


def _unit_times(
    size: int,
    hours: tuple[int, ...],
    minutes: tuple[int, ...],
    seconds: tuple[int, ...],
    positions: tuple[int, ...],
) -> Sequence[int]:
    """Give the times of a day without an interval: those picked within each unit."""
    if not positions:
        return times_of_day(hours, minutes, seconds)
    match size:
        case 1:
            return times_of_day(hours, minutes, seconds) if {1, -1} & {*positions} else ()
        case 60:
            return times_of_day(hours, minutes, _chosen(seconds, positions))
    chosen = _chosen(times_of_day((0,), minutes, seconds), positions)
    return tuple(hour * size + second for hour in hours for second in chosen)


# Each may hold every second of a day, which is some MB.
@lru_cache(maxsize=16)
def _by_phase(times: Sequence[int], size: int, interval: int) -> dict[int, Sequence[int]]:
    """Part the times of a day by where their unit stands in the interval."""
    if interval == 1:
        return {0: times}
    found: dict[int, list[int]] = {}
    for second in times:
        found.setdefault(second // size % interval, []).append(second)
    return dict(found)


def _chosen(times: Sequence[int], positions: tuple[int, ...]) -> tuple[int, ...]:
    """Pick by position: 1 is the first, -1 the last."""
    size = len(times)
    wanted = {position - 1 if position > 0 else size + position for position in positions}
    return tuple(times[place] for place in sorted(wanted) if 0 <= place < size)


def _anchor(rule: _DayRule, start: datetime) -> int:
    """Give what the interval counts from, in the frequency's own unit; a week by its first day."""
    match rule.freq:
        case "YEARLY":
            return start.year
        case "MONTHLY":
            return start.year * _MONTHS + start.month - 1
        case "WEEKLY":
            return start.toordinal() - (start.weekday() - rule.week_start) % _WEEK
    return start.toordinal()


def _phase(freq: str, interval: int, anchor: int, year: int) -> int:
    """Say where a year stands in the interval: its first unit that counts, or below 0 for none."""
    match freq:
        case "YEARLY":
            return 0 if (year - anchor) % interval == 0 else -1
        case "MONTHLY":
            phase = (anchor - year * _MONTHS) % interval
            return phase if phase < _MONTHS else -1
        case "WEEKLY":
            return (anchor - first_day(year)) % (_WEEK * interval)
    return (anchor - first_day(year)) % interval


@lru_cache(maxsize=16_384)
def _days(rule: _DayRule, kind: Year, interval: int, phase: int) -> int:
    """Give the days of a kind of year, standing so in the interval."""
    if phase < 0:
        return 0
    found = 0
    for period in _periods(rule, kind, interval, phase):
        found |= period
    # A week is cut at the ends of a year, which its neighbours complete.
    return found & kind.own if rule.freq == "WEEKLY" else found


def _periods(rule: _DayRule, kind: Year, interval: int, phase: int) -> Iterator[int]:
    """Give the days of each year, month, week or run of days that counts."""
    match rule.freq:
        case "YEARLY":
            yield _of_year(rule, kind)
        case "MONTHLY":
            for index in range(phase, _MONTHS, interval):
                yield _of_month(rule, kind, kind.months[index])
        case "WEEKLY":
            step = _WEEK * interval
            # The week that is under way on 1 January too.
            for first in range(phase - step, kind.length, step):
                if first > -_WEEK:
                    yield _limited(rule, kind, days.span(first, first + _WEEK))
        case _:
            found = kind.own
            if interval > 1:
                found &= days.every(interval, phase, kind.length)
            yield _limited(rule, kind, found)


@lru_cache(maxsize=4096)
def _picked(
    rule: _DayRule,
    kind: Year,
    interval: int,
    phase: int,
    times: Sequence[int],
    positions: tuple[int, ...],
) -> tuple[int, dict[int, Sequence[int]]]:
    """Give the days of a kind of year that positions pick, and the times of each."""
    if phase < 0:
        return 0, {}
    found: dict[int, set[int]] = {}
    per_day = len(times)
    periods = _periods(rule, kind, interval, phase)
    if rule.freq == "WEEKLY" and phase - _WEEK * interval > -_WEEK:
        next(periods)  # The week that began in the year before is that year's.
    for period in periods:
        there = list(days.indices(period))
        size = len(there) * per_day
        for position in positions:
            place = position - 1 if position > 0 else size + position
            if 0 <= place < size:
                day, time = divmod(place, per_day)
                found.setdefault(there[day], set()).add(times[time])
    mask = 0
    for index in found:
        mask |= days.bit(index)
    return mask, {index: sorted(chosen) for index, chosen in found.items()}


def _limited(rule: _DayRule, kind: Year, found: int) -> int:
    """Keep of some days those that every part allows."""
    if rule.months:
        found &= days.months(kind, rule.months)
    if rule.year_days:
        found &= days.year_days(kind, rule.year_days)
    if rule.month_days:
        found &= days.month_days(kind.months_shown, rule.month_days)
    if rule.weekdays:
        found &= days.weekdays(kind, rule.weekdays)
    return found


def _of_month(rule: _DayRule, kind: Year, month: Month) -> int:
    if rule.months and month.number not in rule.months:
        return 0
    found = days.span(month.first, month.end)
    if rule.month_days:
        found = days.month_days((month,), rule.month_days, rule.skip)
    return found & _weekdays_of(rule, kind, (month,))


def _of_year(rule: _DayRule, kind: Year) -> int:
    # Only weeks reach into the years beside it.
    shown = kind.months_shown if rule.weeks else kind.months
    wanted = [month for month in shown if not rule.months or month.number in rule.months]
    found = days.weeks(kind, rule.weeks, rule.week_start) if rule.weeks else kind.own
    if rule.year_days:
        numbered = days.year_days(kind, rule.year_days, rule.skip)
        found = found & numbered if rule.weeks else _own_or_moved(kind, numbered, rule)
    if rule.month_days:
        # A day that is moved out of its month has passed BYMONTH already.
        found &= days.month_days(wanted, rule.month_days, rule.skip)
    elif rule.months:
        found &= days.months(kind, rule.months)
    return found & _weekdays_of(rule, kind, wanted if rule.months else None)


def _own_or_moved(kind: Year, numbered: int, rule: _DayRule) -> int:
    """Leave out the numbered days of the years beside it, but for those moved there."""
    own = numbered & kind.own
    if rule.skip == "forward" and max(rule.year_days) > kind.length:
        own |= days.bit(kind.length)
    if rule.skip == "backward" and min(rule.year_days) < -kind.length:
        own |= days.bit(-1)
    return own


def _weekdays_of(rule: _DayRule, kind: Year, of: Iterable[Month] | None) -> int:
    """Give the weekdays that are wanted, numbered in each month, or in the year for None."""
    if not (rule.weekdays or rule.numbered):
        return days.span(-days.PAD, kind.length + days.PAD)
    found = days.weekdays(kind, rule.weekdays)
    if rule.numbered and of is None:
        found |= days.nth_weekdays(0, kind.length, kind, rule.numbered)
    elif rule.numbered and of is not None:
        for month in of:
            found |= days.nth_weekdays(month.first, month.length, kind, rule.numbered)
    return found
