"""Cron expressions, exact across every change of the clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Unpack, get_args

from duly.civil import days
from duly.civil.cron_syntax import DayMatch, Days, parse
from duly.civil.cron_words import words
from duly.civil.recurring import CivilRule
from duly.civil.resolve import FoldPolicy, GapPolicy, check_policies
from duly.civil.rules import VERSION
from duly.civil.series import Series, times_of_day
from duly.civil.terms import Terms, WindowArguments
from duly.civil.zones import get_zone
from duly.errors import InvalidRule

# Every kind of year is among them.
_EVERY_KIND = range(2000, 2029)


@dataclass(frozen=True, slots=True, init=False)
class Cron(CivilRule):
    """By a cron expression, read in a zone.

    expr: five fields (minute, hour, day of month, month, day of week), six with seconds
        in front, or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.
        Names, lists, ranges and steps; for days of the month also L (the last), L-3 (three
        before it), 15W (the Monday to Friday nearest the 15th) and LW; for weekdays FRI#2
        (the second Friday of the month) and FRIL (the last); ? is *.
    tz: IANA name.
    gap, fold: what a fixed time of day does where the clocks change.
    day_match: "vixie": where neither day of month nor day of week begins with `*`, a day
        need match one of them only. "and": it must match both.
    terms: start, end, max_occurrences, calendar, on_closed and jitter; see WindowArguments.

    A job whose minute and hour hold neither `*` nor a step fires once for each local time
    that it names, across every change. Any other follows elapsed time: it fires at every
    instant at which the clocks read a time that it names, in both passes of an overlap.

    Raises InvalidRule naming the field, also for a date that never comes; UnknownZone.
    Source: Debian's crontab(5) and cron(8); L, W and # as Quartz has them.
    """

    expr: str
    tz: str
    gap: GapPolicy
    fold: FoldPolicy
    day_match: DayMatch
    terms: Terms
    row: CronSeries = field(repr=False, compare=False)
    is_elapsed: bool = field(repr=False, compare=False)

    def __init__(
        self,
        expr: str,
        tz: str,
        *,
        gap: GapPolicy = "shift",
        fold: FoldPolicy = "first",
        day_match: DayMatch = "vixie",
        **terms: Unpack[WindowArguments],
    ) -> None:
        check_policies(gap, fold)
        if day_match not in get_args(DayMatch):
            known = ", ".join(get_args(DayMatch))
            raise InvalidRule(f"day_match must be one of {known}; got {day_match!r:.60}")
        said = parse(expr, day_match)
        times = times_of_day(said.hours, said.minutes, said.seconds)
        series = CronSeries(said.days, times)
        if not any(series.days(year) for year in _EVERY_KIND):
            raise InvalidRule(f"cron {expr!r} never matches: no month has such a day")
        get_zone(tz)
        self._set(
            expr=expr,
            tz=tz,
            gap="skip" if said.is_wildcard else gap,
            fold="both" if said.is_wildcard else fold,
            day_match=day_match,
            terms=Terms.checked(terms),
            row=series,
            is_elapsed=said.is_wildcard,
        )

    def to_json(self) -> dict[str, Any]:
        form = {
            "v": VERSION,
            "kind": "cron",
            "expr": self.expr,
            "tz": self.tz,
            "gap": self.gap,
            "fold": self.fold,
        }
        if self.day_match != "vixie":
            form["day_match"] = self.day_match
        return {**form, **self.terms.to_json()}

    def describe(self) -> str:
        said = words(parse(self.expr, self.day_match))
        return f"{said} in {self.tz} (cron {self.expr!r}){self.terms.describe()}"


class CronSeries(Series):
    """The civil times of an expression."""

    __slots__ = ("_days", "_times", "per_day")

    def __init__(self, of: Days, times: Sequence[int]) -> None:
        self._days = of
        self._times = times
        self.per_day = len(times)

    def days(self, year: int) -> int:
        return _days(self._days, days.year(year))

    def times(self, year: int, index: int) -> Sequence[int]:
        return self._times


@lru_cache(maxsize=8192)
def _days(of: Days, kind: days.Year) -> int:
    """Give the days of a kind of year that an expression names."""
    monthly = days.month_days(kind.months, of.month_days)
    for month in kind.months:
        for number in of.nearest:
            nearest = days.nearest_weekday(month, number, kind)
            monthly |= 0 if nearest is None else days.bit(nearest)
        if of.last_weekday:
            monthly |= days.bit(days.last_weekday(month, kind))
    weekly = days.weekdays(kind, of.weekdays) & kind.own
    for month in kind.months:
        weekly |= days.nth_weekdays(month.first, month.length, kind, of.numbered)
    either = monthly | weekly if of.either else monthly & weekly
    return either & days.months(kind, of.months)
