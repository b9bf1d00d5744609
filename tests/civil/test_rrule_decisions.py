"""What docs/reference/recurrence.md decides where the standards leave a choice."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from duly.civil.instants import EARLIEST
from duly.civil.rrule import RRule

ZONE = "America/New_York"


def dates(rule: RRule, most: int) -> list[str]:
    """Give the first civil times, as "01-31 09:00" or, at nine, "01-31"."""

    def dues() -> Any:
        after = EARLIEST
        while due := rule.next(after):
            yield f"{due.wall_time:%m-%d %H:%M:%S}".removesuffix(":00").removesuffix(" 09:00")
            after = due.at

    return list(islice(dues(), most))


@pytest.mark.parametrize(
    ("text", "start", "wanted"),
    [
        pytest.param("FREQ=WEEKLY;BYDAY=FR", "01-01", ["01-02", "01-09"], id="start-unnamed"),
        pytest.param("FREQ=WEEKLY;BYDAY=FR;COUNT=1", "01-01", ["01-02"], id="start-uncounted"),
        pytest.param("FREQ=DAILY;UNTIL=20260102", "01-01", ["01-01", "01-02"], id="until-date"),
        pytest.param(
            "FREQ=DAILY;UNTIL=20260102T090000", "01-01", ["01-01", "01-02"], id="until-local"
        ),
        pytest.param(
            "FREQ=DAILY;UNTIL=20260102T140000Z", "01-01", ["01-01", "01-02"], id="until-instant"
        ),
        pytest.param("FREQ=DAILY;UNTIL=20260102T135959Z", "01-01", ["01-01"], id="until-before"),
        pytest.param("FREQ=YEARLY;BYWEEKNO=20", "01-07", ["05-13", "05-19"], id="week-weekday"),
        pytest.param(
            "FREQ=DAILY;BYSECOND=59,60",
            "01-01",
            ["01-01 09:00:59", "01-02 09:00:59"],
            id="leap-second",
        ),
        pytest.param(
            "FREQ=MONTHLY;SKIP=BACKWARD", "01-31", ["01-31", "02-28", "03-31", "04-30"], id="back"
        ),
        pytest.param(
            "FREQ=MONTHLY;SKIP=FORWARD", "01-31", ["01-31", "03-01", "03-31", "05-01"], id="forth"
        ),
        pytest.param(
            "FREQ=MONTHLY;BYMONTHDAY=28,30,31;SKIP=BACKWARD",
            "02-01",
            ["02-28", "03-28", "03-30", "03-31", "04-28", "04-30", "05-28"],
            id="moved-onto-another",
        ),
        pytest.param(
            "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31;SKIP=FORWARD", "01-01", ["05-01"], id="by-month"
        ),
        pytest.param(
            "FREQ=DAILY;BYMONTHDAY=31;SKIP=BACKWARD", "01-31", ["01-31", "03-31"], id="limits"
        ),
        pytest.param(
            "FREQ=YEARLY;BYYEARDAY=366;SKIP=BACKWARD",
            "01-01",
            ["12-31", "12-31", "12-31"],
            id="day-366-back",
        ),
        pytest.param(
            "FREQ=YEARLY;BYYEARDAY=366;SKIP=FORWARD",
            "01-01",
            ["01-01", "01-01", "01-01", "12-31", "01-01"],
            id="day-366-forth",
        ),
        pytest.param(
            "FREQ=YEARLY;BYYEARDAY=-366;SKIP=BACKWARD",
            "01-02",
            ["12-31", "01-01", "12-31", "12-31"],
            id="last-day-366-back",
        ),
        pytest.param(
            "FREQ=YEARLY;BYYEARDAY=-366;SKIP=FORWARD", "01-02", ["01-01"] * 4, id="last-day-366"
        ),
    ],
)
def test_a_choice_is_made_as_the_reference_says(text: str, start: str, wanted: list[str]) -> None:
    rule = RRule(text, f"2026-{start}T09:00", ZONE)
    ends = "COUNT" in text or "UNTIL" in text

    assert dates(rule, len(wanted) + ends) == wanted


def test_a_date_left_out_has_been_counted() -> None:
    rule = RRule("FREQ=DAILY;COUNT=3", "2026-01-01T09:00", ZONE, exdates=["2026-01-02T09:00"])

    assert dates(rule, 5) == ["01-01", "01-03"]


def test_hours_follow_elapsed_time_and_days_the_clock_on_the_wall() -> None:
    hourly = RRule("FREQ=HOURLY;COUNT=4", "2026-11-01T00:00", ZONE)
    daily = RRule("FREQ=DAILY", "2026-03-08T02:30", ZONE)

    assert dates(hourly, 9) == [f"11-01 {hour}:00" for hour in ("00", "01", "01", "02", "03")]
    due = daily.next(EARLIEST)
    assert due is not None
    assert due.at - EARLIEST == datetime(2026, 3, 8, 7, 30) - datetime(1969, 12, 30)


def test_until_parts_the_passes_of_an_overlap() -> None:
    until = "FREQ=MINUTELY;INTERVAL=30;UNTIL=20261101T053000Z"
    rule = RRule(until, "2026-11-01T00:30", ZONE)
    after, passed = EARLIEST, []
    while due := rule.next(after):
        passed.append(due.at.replace(tzinfo=None))
        after = due.at

    first = datetime(2026, 11, 1, 4, 30)
    assert passed == [first + half * timedelta(minutes=30) for half in range(3)]
