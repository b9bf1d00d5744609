"""Civil times as other libraries work them out, from rules that a generator makes up.

Each case in which one of them is known to differ is a predicate here, with a test of its own,
and a row of the table in docs/reference/recurrence.md: who is right, and by which sentence.
"""

from __future__ import annotations

import datetime as dates
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

import dateutil.rrule
import icalendar
import pytest
import recurring_ical_events  # type: ignore[import-untyped]
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duly.civil.instants import EARLIEST, Instant
from duly.civil.recurring import CivilRule
from duly.civil.rrule import RRule
from duly.errors import InvalidRule
from tests.civil.made_up import DAY, WEEKDAYS, Case, cases

MOST = 40
MOST_WEEKS_OF_A_MONTH = 5


def civil_times(rule: CivilRule, after: Instant = EARLIEST) -> Iterator[datetime]:
    at = after
    while due := rule.next(at):
        yield due.wall_time
        at = due.at


def of_duly(case: Case, most: int = MOST, **dates: Sequence[datetime]) -> list[datetime]:
    """Give the civil times of the window: UTC has no change of the clocks to tell apart."""
    try:
        rule = RRule(case.text, case.start, "UTC", **dates)  # type: ignore[arg-type]
    except InvalidRule as refused:
        if "never matches" not in str(refused):
            raise
        return []
    within = takewhile(lambda moment: moment.year <= case.last_year, civil_times(rule))
    return list(islice(within, most))


class ShortCalendar:
    """The module datetime, but for where its years end.

    For what never comes dateutil walks to that end, second by second if need be.
    """

    MAXYEAR = dates.MAXYEAR

    def __getattr__(self, name: str) -> Any:
        return getattr(dates, name)


SHORT_CALENDAR = ShortCalendar()


@pytest.fixture(scope="module", autouse=True)
def _short_calendar() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dateutil.rrule.datetime", SHORT_CALENDAR)
        yield


def of_dateutil(
    case: Case,
    start: datetime | None = None,
    exdates: Sequence[datetime] = (),
    rdates: Sequence[datetime] = (),
) -> Iterator[datetime]:
    SHORT_CALENDAR.MAXYEAR = case.last_year
    try:
        ruled = dateutil.rrule.rrulestr(_said_to_others(case), dtstart=start or case.start)
        found = dateutil.rrule.rruleset()
        found.rrule(ruled)  # type: ignore[arg-type]
        for moment in exdates:
            found.exdate(moment)
        for moment in rdates:
            found.rdate(moment)
        yield from takewhile(lambda moment: moment.year <= case.last_year, found)
    except ValueError as refused:
        # Some rules that never come it refuses, at birth or when asked.
        if not re.search("Invalid combination of interval|empty set", str(refused)):
            raise


def _said_to_others(case: Case) -> str:
    """Say the weekday of DTSTART where they would take a whole week for it."""
    named = {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & case.parts.keys()
    if "BYWEEKNO" in case.parts and not named:
        return f"{case.text};BYDAY={WEEKDAYS[case.start.weekday()]}"
    return case.text


def mixes_plain_and_numbered_weekdays(case: Case) -> bool:
    """BYDAY=FR,-2TH: dateutil wants a day to be both."""
    return len({len(day) > 2 for day in case.parts.get("BYDAY", "MO").split(",")}) > 1


def numbers_weekdays_beyond_a_month(case: Case) -> bool:
    """BYMONTH=9;BYDAY=21MO, which never comes: dateutil may fail with an IndexError."""
    numbers = [int(day[:-2] or 1) for day in case.parts.get("BYDAY", "MO").split(",")]
    return "BYMONTH" in case.parts and max(map(abs, numbers)) > MOST_WEEKS_OF_A_MONTH


def names_weeks_at_the_ends_of_a_year(case: Case) -> bool:
    """BYWEEKNO=53: dateutil numbers some of these wrongly, and gives their days to both years."""
    weeks = {int(week) for week in case.parts.get("BYWEEKNO", "2").split(",")}
    return not weeks.isdisjoint({1, 52, 53, -1, -52, -53})


def picks_from_a_week_under_way(case: Case) -> bool:
    """FREQ=WEEKLY;BYSETPOS: dateutil counts from DTSTART in the first week, not from WKST."""
    return (
        case.parts["FREQ"] == "WEEKLY"
        and "BYSETPOS" in case.parts
        and case.start != case.first_day_of_its_week
    )


def is_read_otherwise(case: Case) -> bool:
    """Say whether a case is one of the above, on which recurring_ical_events builds too."""
    return (
        mixes_plain_and_numbered_weekdays(case)
        or numbers_weekdays_beyond_a_month(case)
        or names_weeks_at_the_ends_of_a_year(case)
        or picks_from_a_week_under_way(case)
    )


@given(case=cases())
@settings(max_examples=600, derandomize=True, deadline=None)
def test_a_rule_gives_what_dateutil_gives(case: Case) -> None:
    assume(not is_read_otherwise(case))

    assert of_duly(case) == list(islice(of_dateutil(case), MOST))


@given(case=cases(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]), data=st.data())
@settings(max_examples=200, derandomize=True, deadline=None)
def test_dates_added_and_left_out_are_those_of_dateutil(case: Case, data: st.DataObject) -> None:
    assume(not is_read_otherwise(case))
    of_rule = of_duly(case, 12)
    assume(of_rule)
    exdates = data.draw(st.lists(st.sampled_from(of_rule), max_size=4))
    added = st.datetimes(datetime(1990, 1, 1), datetime(2010, 1, 1))
    rdates = data.draw(st.lists(added.map(lambda at: at.replace(microsecond=0)), max_size=3))
    rdates += data.draw(st.lists(st.sampled_from(of_rule), max_size=1))

    assert of_duly(case, exdates=exdates, rdates=rdates) == list(
        islice(of_dateutil(case, exdates=exdates, rdates=rdates), MOST)
    )


@given(case=cases(["WEEKLY"]), position=st.sampled_from(["1", "2", "-1", "2,-2", "1,3,5"]))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_positions_are_counted_from_the_first_day_of_a_week_under_way(
    case: Case, position: str
) -> None:
    days = case.parts.get("BYDAY", WEEKDAYS[case.start.weekday()])
    case = case.with_parts(BYDAY=days, BYSETPOS=position, COUNT=None)
    from_its_first_day = of_dateutil(case, case.first_day_of_its_week)
    wanted = [moment for moment in from_its_first_day if moment >= case.start]

    assert of_duly(case) == wanted[:MOST]


@given(case=cases(["MONTHLY", "YEARLY"]), mixed=st.sampled_from(["FR,-2TH", "1MO,MO,SU,3SA"]))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_plain_and_numbered_weekdays_are_one_list(case: Case, mixed: str) -> None:
    def of(weekdays: str) -> list[datetime]:
        return of_duly(case.with_parts(BYDAY=weekdays, BYWEEKNO=None, BYSETPOS=None, COUNT=None))

    assert of(mixed) == sorted({at for weekday in mixed.split(",") for at in of(weekday)})[:MOST]


def test_a_weekday_that_no_month_has_never_comes() -> None:
    with pytest.raises(InvalidRule, match="never matches"):
        RRule("FREQ=YEARLY;BYMONTH=9;BYDAY=21MO", "2026-01-01T09:00", "UTC")


@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("week_start", range(7), ids=WEEKDAYS)
def test_a_week_is_that_of_the_year_which_has_four_of_its_days(
    week_start: int, interval: int
) -> None:
    start, end = datetime(1999, 1, 1), datetime(2030, 1, 1)
    wanted: dict[int, list[datetime]] = {}
    day = start
    while day < end:
        fourth = day - (day.weekday() - week_start) % 7 * DAY + 3 * DAY
        if (fourth.year - start.year) % interval == 0:
            number = (fourth.timetuple().tm_yday - 1) // 7 + 1
            following = fourth.replace(month=12, day=31) - fourth
            for either in (number, -1 - following.days // 7):
                wanted.setdefault(either, []).append(day)
        day += DAY

    for number in (1, 2, 9, 51, 52, 53, -1, -2, -26, -52, -53):
        text = (
            f"FREQ=YEARLY;INTERVAL={interval};BYWEEKNO={number};WKST={WEEKDAYS[week_start]};"
            f"BYDAY={','.join(WEEKDAYS)}"
        )
        found = civil_times(RRule(text, start, "UTC"))
        assert list(takewhile(lambda at: at < end, found)) == wanted[number], text


@given(
    case=cases(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    hour=st.integers(6, 20),
    data=st.data(),
)
@settings(max_examples=80, derandomize=True, deadline=None)
def test_a_whole_event_gives_what_recurring_ical_events_gives(
    case: Case, hour: int, data: st.DataObject
) -> None:
    assume(not is_read_otherwise(case))
    # By day, where each civil time exists once.
    until = f"{case.parts['UNTIL']}Z" if "UNTIL" in case.parts else None
    case = replace(
        case.with_parts(BYHOUR=str(hour), UNTIL=until),
        start=case.start.replace(hour=hour),
        last_year=min(case.last_year, case.start.year + 4),
    )
    of_rule = of_duly(case)
    assume(of_rule)
    left_out = data.draw(st.lists(st.sampled_from(of_rule), max_size=3, unique=True))
    added = data.draw(st.lists(st.integers(1, 900), max_size=2, unique=True))
    zoned = ";TZID=America/New_York:"
    lines = [
        f"DTSTART{zoned}{case.start:%Y%m%dT%H%M%S}",
        f"RRULE:{case.text}",
        *(f"EXDATE{zoned}{at:%Y%m%dT%H%M%S}" for at in left_out),
        *(f"RDATE{zoned}{case.start + days * DAY:%Y%m%dT%H%M%S}" for days in added),
    ]
    try:
        ours = civil_times(RRule("\n".join(lines)))
    except InvalidRule:
        assume(False)
    found = [at for at in ours if at.year <= case.last_year]

    assert {at for at in found if at != case.start} == {
        at for at in _of_recurring_ical_events(lines, case) if at != case.start
    }


def _of_recurring_ical_events(lines: list[str], case: Case) -> Iterator[datetime]:
    """Give the civil times, and DTSTART always, which the standard leaves undefined."""
    SHORT_CALENDAR.MAXYEAR = case.last_year + 1
    rule = lines[1].replace(case.text, _said_to_others(case))
    event = ["BEGIN:VEVENT", "UID:1", lines[0], rule, *lines[2:], "END:VEVENT"]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:duly", *event, "END:VCALENDAR", ""]
    calendar = icalendar.Calendar.from_ical("\r\n".join(whole))
    window = (case.start - DAY, datetime(case.last_year + 1, 1, 1))
    for component in recurring_ical_events.of(calendar).between(*window):
        yield component["DTSTART"].dt.replace(tzinfo=None)
