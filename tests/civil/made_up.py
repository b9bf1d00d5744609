"""Recurrence rules that nobody would write, made up for tests to compare what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

DAY = timedelta(days=1)
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# What RFC 5545 lets a frequency have. For those finer than daily the window is short.
DAY_PARTS = {
    "SECONDLY": ["BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY"],
    "MINUTELY": ["BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY"],
    "HOURLY": ["BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY"],
    "DAILY": ["BYMONTH", "BYMONTHDAY", "BYDAY"],
    "WEEKLY": ["BYMONTH", "BYDAY"],
    "MONTHLY": ["BYMONTH", "BYMONTHDAY", "BYDAY"],
    "YEARLY": ["BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY"],
}
# Days are what is hard: the rules that expand into them come more often.
FREQUENCIES = [*DAY_PARTS, "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY", "YEARLY"]
TIME_PARTS = ["BYHOUR", "BYMINUTE", "BYSECOND"]
REACH = {"SECONDLY": 0, "MINUTELY": 0, "HOURLY": 1, "DAILY": 3, "WEEKLY": 4, "MONTHLY": 8}
LONGEST_REACH = 30


@dataclass(frozen=True)
class Case:
    """A rule, where it begins, and the last year that is looked at."""

    parts: dict[str, str]
    start: datetime
    last_year: int

    @property
    def text(self) -> str:
        return ";".join(f"{name}={value}" for name, value in self.parts.items())

    def with_parts(self, **parts: str | None) -> Case:
        """Give the case with some parts changed, and without those that are None."""
        changed: dict[str, str | None] = {**self.parts, **parts}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, parts=kept)

    @property
    def first_day_of_its_week(self) -> datetime:
        first = WEEKDAYS.index(self.parts.get("WKST", "MO"))
        return self.start - (self.start.weekday() - first) % 7 * DAY


@st.composite
def cases(draw: st.DrawFn, frequencies: Sequence[str] = FREQUENCIES) -> Case:
    freq = draw(st.sampled_from(frequencies))
    start = draw(st.datetimes(datetime(1996, 1, 1), datetime(2006, 12, 31))).replace(microsecond=0)
    if freq in ("SECONDLY", "MINUTELY"):  # Others walk these second by second: a short way.
        start = start.replace(month=12, day=draw(st.integers(30, 31)))
    reach = REACH.get(freq, LONGEST_REACH)
    # Most parts name this moment, so that most rules are due at all.
    witness = start + timedelta(seconds=draw(st.integers(0, (reach * 300 + 1) * 86_400)))
    parts = {"FREQ": freq}
    interval = draw(
        st.sampled_from([1, 1, 1, 2, 3] if freq == "YEARLY" else [1, 1, 2, 3, 5, 7, 90])
    )
    if interval > 1:
        parts["INTERVAL"] = str(interval)
    for name in sorted(
        draw(st.sets(st.sampled_from(DAY_PARTS[freq] + TIME_PARTS), max_size=4)), reverse=True
    ):
        parts[name] = draw(_values(name, freq, witness, "BYWEEKNO" in parts))
    if len(parts) > 1 + (interval > 1) and draw(st.integers(0, 3)) == 0:
        positions = [1, 2, 3, -1, -2, -3, 5, -7, 10, 31, 366, -366]
        parts["BYSETPOS"] = _listed(
            draw(st.sets(st.sampled_from(positions), min_size=1, max_size=3))
        )
    if draw(st.booleans()):
        parts["WKST"] = draw(st.sampled_from(WEEKDAYS))
    end = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    if end == "COUNT":
        parts["COUNT"] = str(draw(st.integers(1, 20)))
    elif end == "UNTIL":
        parts["UNTIL"] = f"{draw(st.datetimes(start, start + 900 * DAY)):%Y%m%dT%H%M%S}"
    return Case(parts, start, start.year + reach)


def _values(name: str, freq: str, witness: datetime, by_week: bool) -> st.SearchStrategy[str]:
    """Give a list of values of a part, in most cases with one that fits the witness."""
    if name == "BYDAY":
        return _weekdays(witness, {"MONTHLY": 5, "YEARLY": 0 if by_week else 53}.get(freq, 0))
    numbers, fit = {
        "BYMONTH": (range(1, 13), witness.month),
        "BYWEEKNO": (_from_both_ends(53), witness.isocalendar().week),
        "BYYEARDAY": (_from_both_ends(366), witness.timetuple().tm_yday),
        "BYMONTHDAY": (_from_both_ends(31), witness.day),
        "BYHOUR": (range(24), witness.hour),
        "BYMINUTE": (range(60), witness.minute),
        "BYSECOND": (range(60), witness.second),
    }[name]
    drawn = st.sets(st.sampled_from(numbers), max_size=3)
    return (drawn.map(lambda some: some | {fit}) | drawn.filter(bool)).map(_listed)


def _from_both_ends(most: int) -> list[int]:
    return [*range(1, most + 1), *range(-most, 0)]


def _weekdays(witness: datetime, numbers: int) -> st.SearchStrategy[str]:
    weekday, number = WEEKDAYS[witness.weekday()], (witness.day - 1) // 7 + 1
    plain = st.sets(st.sampled_from(WEEKDAYS), max_size=3).map(lambda days: days | {weekday})
    if not numbers:
        return plain.map(_listed)
    named = st.tuples(st.sampled_from(_from_both_ends(numbers)), st.sampled_from(WEEKDAYS))
    numbered = st.sets(named.map(lambda pair: f"{pair[0]}{pair[1]}"), max_size=3).map(
        lambda days: days | {f"{number}{weekday}"}
    )
    mixed = st.tuples(plain, numbered).map(lambda both: both[0] | both[1])
    return st.one_of(plain, numbered, numbered, mixed).map(_listed)


def _listed(values: set[Any]) -> str:
    return ",".join(str(value) for value in sorted(values))
