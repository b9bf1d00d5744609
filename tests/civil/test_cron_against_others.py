"""Cron expressions that a generator makes up, as cronsim and croniter read them.

In UTC, so that fields and days are compared, not what the clocks do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile

import pytest
from croniter import CroniterBadDateError, croniter
from cronsim import CronSim, CronSimError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duly.civil.cron import Cron
from duly.civil.cron_syntax import MONTHS, WEEKDAYS
from duly.civil.instants import as_instant
from duly.errors import InvalidRule

MOST = 12
# Neither looks further ahead than some years for what is rare.
REACH = 8


def _items(first: int, last: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    pair = st.tuples(number, number).map(sorted)
    some = [
        number.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, st.integers(1, 20)).map(lambda of: f"{of[0][0]}-{of[0][1]}/{of[1]}"),
    ]
    if names:
        some.append(st.sampled_from(names))
    return st.one_of(some)


def _field(items: st.SearchStrategy[str], longest_step: int) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just("*"),
        st.integers(1, longest_step).map(lambda step: f"*/{step}"),
        st.lists(items, min_size=1, max_size=3).map(",".join),
    )


SECOND = _field(_items(0, 59), 40)
MINUTE = _field(_items(0, 59), 40)
HOUR = _field(_items(0, 23), 15)
MONTH_DAY = st.one_of(_field(_items(1, 31), 20), st.just("*"), st.just("L"))
MONTH = st.one_of(_field(_items(1, 12, MONTHS), 7), st.just("*"))
WEEKDAY = st.one_of(_field(_items(0, 7, WEEKDAYS), 5), st.just("*"))
NUMBERED = st.tuples(st.integers(0, 6), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}")
WEEKDAY_OF_MONTH = st.one_of(WEEKDAY, NUMBERED, st.lists(NUMBERED, max_size=2).map(",".join))
FIVE = st.tuples(MINUTE, HOUR, MONTH_DAY, MONTH, WEEKDAY_OF_MONTH.filter(bool)).map(" ".join)
SIX = st.tuples(SECOND, FIVE).map(" ".join)
MOMENTS = st.datetimes(datetime(1996, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def of_duly(expr: str, after: datetime) -> list[datetime]:
    try:
        rule = Cron(expr, "UTC")
    except InvalidRule as refused:
        if "never matches" not in str(refused):
            raise
        return []

    def instants() -> Iterator[datetime]:
        at = as_instant(after)
        while due := rule.next(at):
            yield due.at
            at = due.at

    return _within_reach(instants(), after)


def _within_reach(found: Iterator[datetime], after: datetime) -> list[datetime]:
    return list(islice(takewhile(lambda at: at.year < after.year + REACH, found), MOST))


def has_a_range_of_one(expr: str, then: str = "") -> bool:
    """5-5: croniter takes the whole field. 5-5/2: cronsim reads 5/2, on to the field's end."""
    return any(low == high for low, high in re.findall(rf"(\d+)-(\d+)(?!\d){then}", expr))


def numbers_weekdays_beside_days(expr: str) -> bool:
    """10 * 1#2: croniter wants a day to be both, though neither field is a star."""
    month_day, _, weekday = expr.split()[-3:]
    return "#" in weekday and not month_day.startswith("*")


@given(expr=FIVE | SIX, after=MOMENTS)
@settings(max_examples=400, derandomize=True, deadline=None)
def test_an_expression_fires_when_cronsim_says(expr: str, after: datetime) -> None:
    assume(not has_a_range_of_one(expr, then="/"))
    try:
        wanted = _within_reach(CronSim(expr, after), after)
    except CronSimError:
        # It refuses some days that never come.
        wanted = []

    assert of_duly(expr, after) == wanted


@given(expr=FIVE | SIX, after=MOMENTS)
@settings(max_examples=400, derandomize=True, deadline=None)
def test_an_expression_fires_when_croniter_says(expr: str, after: datetime) -> None:
    assume(not has_a_range_of_one(expr) and not numbers_weekdays_beside_days(expr))
    # Without its switch it takes "*/2" for a day that need not be both.
    found = croniter(expr, after, datetime, implement_cron_bug=True, second_at_beginning=True)

    def instants() -> Iterator[datetime]:
        try:
            yield from found
        except CroniterBadDateError:
            return

    assert of_duly(expr, after) == _within_reach(instants(), after)


@pytest.mark.parametrize(
    ("expr", "wanted"),
    [
        pytest.param("0 0 * * 0-0", [1, 8, 15], id="range-of-sunday"),
        pytest.param("0 0 * * SUN-SUN", [1, 8, 15], id="range-of-sunday-by-name"),
        pytest.param("0 0 * * SAT-SUN", [1, 7, 8], id="range-up-to-sunday"),
        pytest.param("0 0 5-5 * *", [5], id="range-of-one"),
        pytest.param("0 0 5-5/2 * *", [5], id="steps-through-a-range-of-one"),
        pytest.param("0 0 10 * 1#2", [9, 10], id="numbered-weekday-or-day"),
    ],
)
def test_what_others_read_otherwise_is_read_as_crontab_says(expr: str, wanted: list[int]) -> None:
    last_of_october = datetime(2026, 10, 31, 12, tzinfo=UTC)
    november = [
        at.day for at in of_duly(expr, last_of_october) if (at.month, at.year) == (11, 2026)
    ]

    assert november[: len(wanted)] == wanted
