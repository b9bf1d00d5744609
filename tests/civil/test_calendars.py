"""Business calendars: which days are open, and where a closed time is moved to."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duly.civil.at import At
from duly.civil.calendars import BusinessCalendar, OnClosed
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, WallTime, as_instant
from duly.civil.placement import Placed
from duly.civil.resolve import Due
from duly.civil.rrule import RRule
from duly.civil.rules import Rule
from duly.errors import DulyError, InvalidRule
from tests.civil import oracle
from tests.civil.random_rules import CALENDARS, DAY, HOUR, OFFICE, TICK, fired

MINUTE = timedelta(minutes=1)
MOVES = [policy for policy in get_args(OnClosed) if policy != "skip"]
BERLIN = "Europe/Berlin"
MONDAY = date(2026, 3, 2)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def said(rule: Rule, start: str, end: str) -> list[tuple[str, str | None]]:
    """When a rule fires by its zone's clocks, and what each firing was moved from."""
    return [
        (_day(due.wall_time), _day(due.moved_from) if due.moved_from else None)
        for due in fired(rule, utc(start), utc(end))
    ]


def _day(wall_time: datetime) -> str:
    return f"{wall_time:%a %m-%d %H:%M}"


# --- which days are open ---


@pytest.mark.parametrize(
    ("country", "subdivision", "day", "is_open"),
    [
        pytest.param("DE", "BY", "2026-01-06", False, id="epiphany-in-bavaria"),
        pytest.param("DE", "BE", "2026-01-06", True, id="not-in-berlin"),
        pytest.param("DE", None, "2026-01-06", True, id="nor-in-all-of-germany"),
        pytest.param("DE", None, "2026-05-01", False, id="labour-day"),
        pytest.param("DE", "BY", "2026-04-03", False, id="good-friday"),
        pytest.param("DE", "BY", "2026-04-06", False, id="easter-monday"),
        pytest.param("DE", "BY", "2026-04-07", True, id="the-day-after-easter"),
        pytest.param("US", None, "2026-07-03", False, id="independence-day-observed"),
        pytest.param("US", None, "2026-11-26", False, id="thanksgiving"),
        pytest.param("US", None, "2026-11-27", True, id="the-day-after-thanksgiving"),
        pytest.param("JP", None, "2026-05-06", False, id="substitute-holiday"),
        pytest.param("IL", None, "2026-03-06", False, id="friday-is-weekend-in-israel"),
        pytest.param("IL", None, "2026-03-08", True, id="sunday-is-not"),
        pytest.param(None, None, "2026-12-25", True, id="no-country-no-holidays"),
        pytest.param(None, None, "2026-03-07", False, id="saturday"),
        pytest.param(None, None, "2026-03-08", False, id="sunday"),
    ],
)
def test_a_country_has_its_holidays_and_its_weekend(
    country: str | None, subdivision: str | None, day: str, is_open: bool
) -> None:
    opening = BusinessCalendar(country, subdivision).opening(date.fromisoformat(day))

    assert (opening is not None) == is_open


def test_days_opened_by_hand_prevail_over_holidays_weekends_and_days_closed_by_hand() -> None:
    calendar = BusinessCalendar(
        "DE",
        closed=["2026-03-02", date(2026, 3, 3)],
        open=["2026-03-03", "2026-03-07", "2026-05-01"],
    )

    assert [day for day in (2, 3, 4, 7, 8) if calendar.opening(date(2026, 3, day))] == [3, 4, 7]
    assert calendar.opening(date(2026, 5, 1)) is not None


def test_another_weekend_takes_the_place_of_the_usual_one() -> None:
    calendar = BusinessCalendar("DE", weekend=["Friday", "sat"])
    week = [bool(calendar.opening(MONDAY + count * DAY)) for count in range(7)]

    assert week == [True, True, True, True, False, False, True]
    assert BusinessCalendar(weekend=[]).opening(date(2026, 3, 8)) is not None


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("08:59:59.999999", False),
        ("09:00", True),
        ("13:00", True),
        ("17:00", True),
        ("17:00:00.000001", False),
    ],
)
def test_hours_include_both_their_ends(at: str, is_open: bool) -> None:
    assert OFFICE.is_open(datetime.fromisoformat(f"2026-03-02T{at}")) == is_open


def test_hours_say_which_weekdays_are_open_and_holidays_are_closed_still() -> None:
    calendar = BusinessCalendar(
        "DE", hours={"fri": ("09:00", "12:00"), "Sunday": ("10:00", "11:00")}
    )

    assert calendar.opening(date(2026, 3, 6)) == (time(9), time(12))
    assert calendar.opening(date(2026, 3, 8)) == (time(10), time(11))
    assert calendar.opening(date(2026, 3, 5)) is None
    assert calendar.opening(date(2026, 5, 1)) is None


def test_a_day_opened_by_hand_without_hours_has_the_widest_of_the_others() -> None:
    calendar = BusinessCalendar(
        hours={"mon": ("08:00", "12:00"), "tue": ("10:00", "18:00")}, open=["2026-03-07"]
    )

    assert calendar.opening(date(2026, 3, 7)) == (time(8), time(18))


@pytest.mark.parametrize("calendar", [*CALENDARS, BusinessCalendar("DE", "BY")], ids=repr)
def test_the_business_day_on_each_side_is_the_nearest_open_date(calendar: BusinessCalendar) -> None:
    for count in range(40):
        day = date(2026, 3, 20) + count * DAY
        after = next(
            day + ahead * DAY for ahead in range(1, 30) if calendar.opening(day + ahead * DAY)
        )
        before = next(
            day - ahead * DAY for ahead in range(1, 30) if calendar.opening(day - ahead * DAY)
        )
        assert calendar.business_day(day, 1) == after
        assert calendar.business_day(day, -1) == before


def test_a_business_day_years_away_is_found_and_none_beyond_the_last() -> None:
    games = BusinessCalendar(
        weekend=["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        open=["2024-07-26", "2028-07-14", "2032-07-23"],
    )

    assert games.business_day(date(2024, 7, 26), 1) == date(2028, 7, 14)
    assert games.business_day(date(2032, 7, 23), -1) == date(2028, 7, 14)
    assert games.business_day(date(2032, 7, 23), 1) is None
    assert games.business_day(date(2024, 7, 26), -1) is None


def test_a_calendar_comes_back_from_its_json_form_and_is_a_key() -> None:
    for calendar in (*CALENDARS, BusinessCalendar("US", "CA", weekend=[])):
        again = BusinessCalendar.from_json(calendar.to_json())
        assert again == calendar
        assert {calendar: 1}[again] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"country": "XX"}, "no holidays are known of country 'XX'; use ISO 3166 codes"),
        ({"country": "HolidayBase"}, "no holidays are known of country 'HolidayBase'"),
        ({"country": "de"}, "no holidays are known of country 'de'; use ISO 3166 codes"),
        ({"country": 49}, "country must be a code such as 'DE', got 49"),
        ({"country": ""}, "country must be a code such as 'DE', got ''"),
        ({"country": ["DE"]}, r"country must be a code such as 'DE', got \['DE'\]"),
        ({"country": "DE", "subdivision": "XX"}, "country 'DE' with subdivision 'XX'"),
        ({"country": "DE", "subdivision": []}, r"subdivision must be a code .* got \[\]"),
        ({"subdivision": "BY"}, "subdivision 'BY' needs a country"),
        ({"closed": "2026-01-01"}, "closed must be a list of dates, got '2026-01-01'"),
        ({"closed": date(2026, 1, 1)}, "closed must be a list of dates"),
        ({"closed": 5}, "closed must be a list of dates, got 5"),
        ({"open": ["2026-02-30"]}, "open holds '2026-02-30', which is not a date"),
        ({"open": ["2026-W01-1"]}, "open holds '2026-W01-1', which is not a date"),
        ({"closed": [datetime(2026, 1, 1)]}, "closed holds datetime.*, which is not a date"),
        ({"closed": [20260101]}, "closed holds 20260101, which is not a date"),
        (
            {"closed": [date(1990, 1, 1) + count * DAY for count in range(10_001)]},
            "closed has at most 10000 dates, got 10001",
        ),
        ({"weekend": "sun"}, "weekend must be a list of weekdays, got 'sun'"),
        ({"weekend": ["sunny"]}, "weekend holds 'sunny'; weekdays are mon, tue"),
        ({"weekend": [6]}, "weekend holds 6; weekdays are mon, tue"),
        (
            {"weekend": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
            "weekend= names every weekday, so this calendar is never open",
        ),
        ({"hours": {}}, "hours= names no weekday, so this calendar is never open"),
        ({"hours": [("mon", "08:00")]}, "hours must be like {'mon'"),
        ({"hours": {"monkey": ("08:00", "18:00")}}, "hours holds 'monkey'; weekdays are mon"),
        ({"hours": {"mon": "08:00-18:00"}}, r"hours of mon must be \(opening, closing\)"),
        ({"hours": {"mon": ("08:00",)}}, r"hours of mon must be \(opening, closing\)"),
        ({"hours": {"mon": ("08:00", "25:00")}}, "hours of mon hold '25:00', which is no time"),
        ({"hours": {"mon": ("08:00", "24:00")}}, "hours of mon hold '24:00', which is no time"),
        ({"hours": {"mon": ("08:00", "18:00Z")}}, "hours of mon hold '18:00Z', which is no time"),
        ({"hours": {"mon": (8, 18)}}, "hours of mon hold 8, which is no time of day"),
        ({"hours": {"mon": ("18:00", "08:00")}}, "must open before they close, got 18:00 to 08:00"),
        ({"hours": {"mon": ("08:00", "08:00")}}, "hours of mon must open before they close"),
        (
            {"hours": {"mon": ("08:00", "09:00"), "Monday": ("10:00", "11:00")}},
            "hours names mon twice",
        ),
        (
            {"hours": {"mon": ("08:00", "18:00")}, "weekend": ["sat"]},
            "weekend= goes without hours=",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_calendar_that_makes_no_sense_is_refused_naming_the_argument(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRule, match=message):
        BusinessCalendar(**arguments)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("DE", "calendar must be a JSON object, got 'DE'"),
        ({"land": "DE"}, "a calendar has no field land"),
        ({"closed": None}, "closed must be a list of dates, got None"),
    ],
    ids=str,
)
def test_a_malformed_json_form_of_a_calendar_is_refused(data: Any, message: str) -> None:
    with pytest.raises(InvalidRule, match=message):
        BusinessCalendar.from_json(data)


# --- where a closed time is moved to ---


def test_a_closed_time_is_left_out_or_moved_on_or_back() -> None:
    # Monthly on the 1st: Sunday in February and March, Wednesday in April, Friday in May.
    firings = {
        on_closed: said(
            Cron("0 9 1 * *", BERLIN, calendar=BusinessCalendar("DE"), on_closed=on_closed),
            "2026-01-10",
            "2026-05-10",
        )
        for on_closed in get_args(OnClosed)
    }

    assert firings == {
        "skip": [("Wed 04-01 09:00", None)],
        "next_business_day": [
            ("Mon 02-02 09:00", "Sun 02-01 09:00"),
            ("Mon 03-02 09:00", "Sun 03-01 09:00"),
            ("Wed 04-01 09:00", None),
            ("Mon 05-04 09:00", "Fri 05-01 09:00"),
        ],
        "previous_business_day": [
            ("Fri 01-30 09:00", "Sun 02-01 09:00"),
            ("Fri 02-27 09:00", "Sun 03-01 09:00"),
            ("Wed 04-01 09:00", None),
            ("Thu 04-30 09:00", "Fri 05-01 09:00"),
        ],
    }


def test_times_outside_the_hours_are_moved_to_the_nearest_opening_or_closing() -> None:
    def moved(expr: str, on_closed: OnClosed) -> list[tuple[str, str | None]]:
        rule = Cron(expr, "UTC", calendar=OFFICE, on_closed=on_closed)
        return said(rule, "2026-03-05T20:00", "2026-03-09T23:00")

    assert moved("0 7 * * FRI", "next_business_day") == [("Fri 03-06 09:00", "Fri 03-06 07:00")]
    assert moved("0 18 * * FRI", "next_business_day") == [("Mon 03-09 09:00", "Fri 03-06 18:00")]
    assert moved("0 18 * * FRI", "previous_business_day") == [
        ("Fri 03-06 17:00", "Fri 03-06 18:00")
    ]
    assert moved("0 7 * * MON", "previous_business_day") == [("Fri 03-06 17:00", "Mon 03-09 07:00")]
    # From a closed day the time of day is kept, as near as the hours allow.
    assert moved("0 11 * * SUN", "next_business_day") == [("Mon 03-09 11:00", "Sun 03-08 11:00")]
    assert moved("0 20 * * SUN", "next_business_day") == [("Mon 03-09 17:00", "Sun 03-08 20:00")]
    assert moved("0 7 * * SUN", "previous_business_day") == [("Fri 03-06 09:00", "Sun 03-08 07:00")]


def test_rent_is_due_on_the_last_business_day_of_the_month() -> None:
    rule = RRule(
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "2026-01-01T08:00",
        BERLIN,
        calendar=BusinessCalendar("DE", "BY"),
        on_closed="previous_business_day",
    )

    assert said(rule, "2026-01-01", "2026-06-01") == [
        ("Fri 01-30 08:00", "Sat 01-31 08:00"),
        ("Fri 02-27 08:00", "Sat 02-28 08:00"),
        ("Tue 03-31 08:00", None),
        ("Thu 04-30 08:00", None),
        ("Fri 05-29 08:00", "Sun 05-31 08:00"),
    ]


@pytest.mark.parametrize("on_closed", MOVES)
def test_times_that_land_together_fire_once_and_one_that_was_there_was_not_moved(
    on_closed: OnClosed,
) -> None:
    rule = Cron("0 9 * * *", "UTC", calendar=BusinessCalendar(), on_closed=on_closed)

    assert said(rule, "2026-03-05T12:00", "2026-03-10T12:00") == [
        ("Fri 03-06 09:00", None),
        ("Mon 03-09 09:00", None),
        ("Tue 03-10 09:00", None),
    ]


def test_a_time_moved_into_a_gap_follows_the_gap_policy() -> None:
    # Closed on Saturday the 28th, open on Sunday the 29th, when 02:30 does not exist.
    calendar = BusinessCalendar(weekend=["sat"])
    rule = Cron("30 2 28 3 *", BERLIN, calendar=calendar, on_closed="next_business_day")

    (due,) = fired(rule, utc("2026-01-01"), utc("2026-12-31"))

    assert (due.at, due.resolution) == (utc("2026-03-29T01:30"), "gap")
    assert due.moved_from == datetime(2026, 3, 28, 2, 30)


def test_what_an_older_calendar_placed_is_not_said_to_be_moved() -> None:
    rule = Cron("0 9 1 * *", "UTC", calendar=BusinessCalendar(), on_closed="next_business_day")
    due = rule.next(as_instant(utc("2026-02-10T12:00")))
    assert due is not None
    assert due.moved_from == datetime(2026, 3, 1, 9)
    # Placed on Tuesday when Monday was a holiday, by the holidays of its day.
    stored = rule.told(_at(due, utc("2026-03-03T09:00")))

    assert stored.moved_from is None
    assert rule.told(_at(due, due.at)).moved_from == due.moved_from


def _at(due: Due, at: datetime) -> Due:
    return replace(
        due, at=Instant(at), wall_time=WallTime(at.replace(tzinfo=None)), moved_from=None
    )


class Row:
    """Some civil times in a row."""

    def __init__(self, wall_times: list[datetime]) -> None:
        self.wall_times = sorted(set(wall_times))

    def first_from(self, start: datetime) -> WallTime | None:
        position = bisect_left(self.wall_times, start)
        return WallTime(self.wall_times[position]) if position < len(self.wall_times) else None


def half_hours(days: int) -> st.SearchStrategy[datetime]:
    start = datetime.combine(MONDAY, time(0))
    return st.integers(0, days * 48 - 1).map(lambda count: start + count * HOUR / 2)


@st.composite
def calendars(draw: st.DrawFn) -> BusinessCalendar:
    """A calendar of some weekdays, with hours or without, and dates by hand."""
    dates = st.lists(st.integers(0, 25).map(lambda count: MONDAY + count * DAY), max_size=5)
    more: dict[str, Any] = {"closed": draw(dates), "open": draw(dates)}
    weekdays = st.lists(
        st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        unique=True,
        min_size=1,
        max_size=6,
    )
    if draw(st.booleans()):
        times = st.lists(
            st.integers(0, 47).map(lambda count: time(count // 2, count % 2 * 30)),
            min_size=2,
            max_size=2,
            unique=True,
        )
        more["hours"] = {day: tuple(sorted(draw(times))) for day in draw(weekdays)}
    elif draw(st.booleans()):
        more["weekend"] = draw(weekdays)
    return BusinessCalendar(**more)


@given(
    calendar=calendars() | st.sampled_from(CALENDARS),
    on_closed=st.sampled_from(get_args(OnClosed)),
    wall_times=st.lists(half_hours(24), min_size=1, max_size=30),
    starts=st.lists(half_hours(24), min_size=1, max_size=5),
)
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_placed_row_is_every_time_of_the_row_placed_sorted_and_each_once(
    calendar: BusinessCalendar,
    on_closed: OnClosed,
    wall_times: list[datetime],
    starts: list[datetime],
) -> None:
    landed: dict[datetime, set[datetime]] = {}
    for wall_time in wall_times:
        placed = calendar.place(wall_time, on_closed)
        if placed is not None:
            landed.setdefault(placed, set()).add(wall_time)
    row = Placed(Row(wall_times), calendar, on_closed)

    found = []
    start = datetime.combine(MONDAY, time(0)) - 30 * DAY
    while (following := row.first_from(start)) is not None:
        found.append(following)
        start = following + TICK
    assert found == sorted(landed)
    for start in starts:
        assert row.first_from(start) == min((at for at in landed if at >= start), default=None)
    for wall_time, origins in landed.items():
        moved_from = row.moved_from(WallTime(wall_time))
        if wall_time in origins:
            assert moved_from is None
        else:
            assert moved_from in origins


@given(
    calendar=calendars(),
    on_closed=st.sampled_from(get_args(OnClosed)),
    wall_time=half_hours(24),
)
@settings(max_examples=400, deadline=None)
def test_a_time_is_placed_on_an_open_one_in_the_direction_that_was_said(
    calendar: BusinessCalendar, on_closed: OnClosed, wall_time: datetime
) -> None:
    placed = calendar.place(wall_time, on_closed)

    if calendar.is_open(wall_time):
        assert placed == wall_time
    elif on_closed == "skip":
        assert placed is None
    elif placed is not None:
        assert calendar.is_open(placed)
        forward = on_closed == "next_business_day"
        assert (placed > wall_time) == forward
        # Nothing open lies between, but for the days that the date itself decides.
        low, high = sorted([wall_time.date(), placed.date()])
        between = [low + count * DAY for count in range(1, (high - low).days)]
        assert not any(calendar.opening(day) for day in between)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("calendar", CALENDARS, ids=repr)
@pytest.mark.parametrize("interval", [17 * MINUTE, 3 * HOUR, 31 * HOUR], ids=str)
def test_an_elapsed_rule_keeps_those_of_its_steps_that_are_open(
    zone: str, calendar: BusinessCalendar, interval: timedelta
) -> None:
    for change in oracle.transitions(zone)[-4:] or [utc("2026-03-29T01:00")]:
        start, end = change - 2 * DAY, change + 3 * DAY
        plain = Every(interval, start - 7 * MINUTE, zone)
        kept = [due for due in fired(plain, start, end) if calendar.is_open(due.wall_time)]

        assert fired(Every(interval, plain.anchor, zone, calendar=calendar), start, end) == kept


def test_an_elapsed_rule_meets_the_second_pass_of_hours_that_end_in_an_overlap() -> None:
    # Sunday 02:00 to 03:00 comes twice; the hours close at 02:20.
    calendar = BusinessCalendar(hours={"sun": ("01:00", "02:20")})
    rule = Every(10 * MINUTE, utc("2026-01-01"), BERLIN, calendar=calendar)

    row = fired(rule, utc("2026-10-24"), utc("2026-10-26"))

    assert [f"{due.at:%H:%M}" for due in row] == [
        "23:00", "23:10", "23:20", "23:30", "23:40", "23:50", "00:00", "00:10", "00:20",
        "01:00", "01:10", "01:20",
    ]  # fmt: skip


def test_an_elapsed_rule_goes_on_where_the_hours_open_within_an_overlap() -> None:
    calendar = BusinessCalendar(hours={"sun": ("02:30", "03:10")})
    rule = Every(10 * MINUTE, utc("2026-01-01"), BERLIN, calendar=calendar)

    row = fired(rule, utc("2026-10-24"), utc("2026-10-26"))

    assert [f"{due.at:%H:%M}" for due in row] == [
        "00:30", "00:40", "00:50", "01:30", "01:40", "01:50", "02:00", "02:10",
    ]  # fmt: skip


# --- calendars that are (almost) never open ---

NEVER_MORE = BusinessCalendar(
    weekend=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], open=["2026-03-02"]
)


@pytest.mark.parametrize("on_closed", get_args(OnClosed))
@pytest.mark.parametrize("expr", ["* * * * *", "0 9 * * *", "0 9 29 2 *"])
def test_a_rule_whose_calendar_opens_no_more_ends(expr: str, on_closed: OnClosed) -> None:
    rule = Cron(expr, BERLIN, calendar=NEVER_MORE, on_closed=on_closed)

    assert rule.next(as_instant(utc("2026-03-03T00:00"))) is None


def test_an_elapsed_rule_whose_calendar_opens_no_more_ends() -> None:
    rule = Every(timedelta(seconds=1), utc("2026-01-01"), calendar=NEVER_MORE)

    assert rule.next(as_instant(utc("2026-03-03T00:00"))) is None


def test_a_rule_that_is_never_within_the_hours_ends() -> None:
    at_night = Cron("0 3 * * *", "UTC", calendar=OFFICE)

    assert at_night.next(as_instant(utc("2026-03-03T00:00"))) is None


@pytest.mark.parametrize("on_closed", MOVES)
def test_a_rule_goes_on_after_a_closed_year(on_closed: OnClosed) -> None:
    away = BusinessCalendar(closed=[date(2026, 1, 1) + count * DAY for count in range(500)])
    rule = Cron("0 9 * * MON", "UTC", calendar=away, on_closed=on_closed)

    first, second = fired(rule, utc("2025-12-30"), utc("2027-05-30"))[:2]

    # The Mondays of that time are moved together, to one side of it or the other.
    last_year = on_closed == "previous_business_day"
    assert first.at == utc("2025-12-31T09:00" if last_year else "2027-05-17T09:00")
    assert second.at == utc("2027-05-17T09:00" if last_year else "2027-05-24T09:00")


# --- At, and how long before ---


def test_a_one_off_is_moved_or_refused() -> None:
    calendar = BusinessCalendar("DE")
    moved = At("2026-05-01T09:00", BERLIN, calendar=calendar, on_closed="next_business_day")
    (due,) = fired(moved, utc("2026-01-01"), utc("2027-01-01"))

    assert due.wall_time == datetime(2026, 5, 4, 9)
    assert due.moved_from == datetime(2026, 5, 1, 9)
    (kept,) = fired(
        At("2026-05-04T09:00", BERLIN, calendar=calendar), utc("2026-01-01"), utc("2027-01-01")
    )
    assert (kept.wall_time, kept.moved_from) == (datetime(2026, 5, 4, 9), None)
    with pytest.raises(InvalidRule, match=r"2026-05-01T09:00:00 is not within .*DE.*'skip' leaves"):
        At("2026-05-01T09:00", BERLIN, calendar=calendar)
    with pytest.raises(InvalidRule, match="'next_business_day' leaves nothing"):
        At("2026-05-01T09:00", BERLIN, calendar=NEVER_MORE, on_closed="next_business_day")


VISIT = At("2026-05-04T10:00", BERLIN)
GERMANY = BusinessCalendar("DE")


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        # Labour day and a weekend lie before the Monday.
        (At.before(VISIT, business_days=1, calendar=GERMANY), "2026-04-30T10:00"),
        (At.before(VISIT, business_days=3, calendar=GERMANY, at="09:00"), "2026-04-28T09:00"),
        (At.after(VISIT, business_days=5, calendar=GERMANY), "2026-05-11T10:00"),
        (At.after(VISIT, business_days=9, calendar=GERMANY), "2026-05-18T10:00"),
        (
            At.before(VISIT, days=3, calendar=GERMANY, on_closed="previous_business_day"),
            "2026-04-30T10:00",
        ),
        (
            At.before(VISIT, hours=72, calendar=GERMANY, on_closed="previous_business_day"),
            "2026-04-30T10:00",
        ),
        (At.before(VISIT, hours=2), "2026-05-04T08:00"),
        (At.before(VISIT, days=1, hours=2), "2026-05-03T08:00"),
        (At.before(VISIT, at="09:30"), "2026-05-04T09:30"),
        (At.after(VISIT, weeks=1, days=1, at=time(7, 15)), "2026-05-12T07:15"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_long_before_and_after_counts_business_days_and_hours(rule: At, wanted: str) -> None:
    (due,) = fired(rule, utc("2026-01-01"), utc("2027-01-01"))

    assert due.wall_time == datetime.fromisoformat(wanted)


def test_a_business_day_before_a_weekend_visit_is_the_friday() -> None:
    saturday = At("2026-03-07T12:00", BERLIN)

    assert At.before(saturday, business_days=1, calendar=GERMANY).local.day == 6
    assert At.after(saturday, business_days=1, calendar=GERMANY).local.day == 9


@pytest.mark.parametrize(
    ("way", "arguments", "message"),
    [
        ("before", {"at": "11:00"}, r"2026-05-04 11:00:00 in Europe/Berlin, is not before"),
        ("after", {"at": "09:00"}, "is not after 2026-05-04 08:00:00Z: at=, a change"),
        ("before", {"at": "10:00"}, "is not before"),
        (
            "before",
            {"days": 2, "calendar": GERMANY, "on_closed": "next_business_day"},
            "is not before 2026-05-04 08:00:00Z.*the calendar",
        ),
        (
            "before",
            {"hours": 48, "calendar": GERMANY, "on_closed": "next_business_day"},
            "is not before",
        ),
        ("before", {"business_days": 1}, r"business_days= needs a calendar="),
        ("before", {"business_days": 1, "calendar": "DE"}, r"business_days= needs a calendar="),
        ("before", {"business_days": 1001, "calendar": GERMANY}, "0 to 1000, got 1001"),
        (
            "before",
            {"business_days": 1, "hours": 1, "calendar": GERMANY},
            "business_days= goes with no other amount",
        ),
        ("after", {"business_days": 1, "calendar": NEVER_MORE}, "has no 1 business days from"),
        ("after", {"business_days": -1, "calendar": GERMANY}, "business_days must be a whole"),
        ("before", {"minutes": True}, "minutes must be a whole number, 0 or more, got True"),
        ("before", {"seconds": -5}, "seconds must be a whole number, 0 or more, got -5"),
        ("before", {"weeks": "1"}, "weeks must be a whole number, 0 or more, got '1'"),
        ("after", {"hours": 10**8}, r"leave the calendar"),
        ("after", {"hours": 10**6}, "outside the supported years"),
        ("after", {"hours": 10**20}, "the amounts leave the calendar"),
        ("before", {"days": 1, "at": "9"}, "is not of the form"),
        ("before", {"days": 1, "at": 9}, "at= must be a time of day such as '09:00', got 9"),
        ("before", {"days": 1, "at": time(9, tzinfo=UTC)}, "at= must be a time of day"),
        ("before", {"days": 1, "tz": ""}, "unknown time zone ''"),
        ("before", {"days": 1, "on_closed": "next_business_day"}, "needs a calendar="),
    ],
    ids=str,
)
def test_a_relation_that_makes_no_sense_is_refused(
    way: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DulyError, match=message):
        getattr(At, way)(VISIT, **arguments)


def test_a_moment_in_utc_says_nothing_of_a_zone() -> None:
    moment = utc("2026-05-04T08:00")

    with pytest.raises(DulyError, match=r"pass tz=, tz='UTC' if that is meant"):
        At.before(moment, days=1)
    assert At.before(moment, days=1, tz=BERLIN) == At("2026-05-03T10:00", BERLIN)
    with pytest.raises(DulyError, match="has no UTC offset"):
        At.before(datetime(2026, 5, 4, 8), days=1, tz=BERLIN)


# --- the structured form ---

WEEKLY = {"frequency": "weekly", "start": "2026-01-05T09:00", "timezone": BERLIN}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "FREQ=WEEKLY"),
        ({"interval": 2}, "FREQ=WEEKLY;INTERVAL=2"),
        ({"count": 5}, "FREQ=WEEKLY;COUNT=5"),
        ({"by_day": ["MO", "friday", "su"]}, "FREQ=WEEKLY;BYDAY=MO,FR,SU"),
        ({"by_day": "Tuesday"}, "FREQ=WEEKLY;BYDAY=TU"),
        ({"frequency": "Monthly", "by_day": ["-1FR", "2mo"]}, "FREQ=MONTHLY;BYDAY=-1FR,2MO"),
        ({"frequency": "monthly", "by_month_day": [1, -1]}, "FREQ=MONTHLY;BYMONTHDAY=1,-1"),
        ({"frequency": "yearly", "by_month": [3], "by_month_day": 5},
         "FREQ=YEARLY;BYMONTHDAY=5;BYMONTH=3"),
        ({"until": "2026-12-31"}, "FREQ=WEEKLY;UNTIL=20261231"),
        ({"until": "2026-12-31T10:00"}, "FREQ=WEEKLY;UNTIL=20261231T100000"),
        ({"until": "2026-12-31T23:00:00+01:00"}, "FREQ=WEEKLY;UNTIL=20261231T220000Z"),
        ({"until": "2026-12-31T23:00:00Z"}, "FREQ=WEEKLY;UNTIL=20261231T230000Z"),
        ({"until": date(2026, 12, 31)}, "FREQ=WEEKLY;UNTIL=20261231"),
        ({"until": datetime(2026, 12, 31, 9)}, "FREQ=WEEKLY;UNTIL=20261231T090000"),
        ({"until": datetime(2026, 12, 31, 9, tzinfo=UTC)}, "FREQ=WEEKLY;UNTIL=20261231T090000Z"),
        ({"by_day": [], "by_month": None, "until": None}, "FREQ=WEEKLY"),
        ({"frequency": "hourly", "interval": 6}, "FREQ=HOURLY;INTERVAL=6"),
    ],
    ids=str,
)  # fmt: skip
def test_a_structured_recurrence_is_a_recurrence_rule(more: dict[str, Any], text: str) -> None:
    assert rule_from_json({**WEEKLY, **more}) == RRule(text, "2026-01-05T09:00", BERLIN)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        pytest.param("2026-01-19", "2026-01-19T08:00", id="a-date-to-its-end"),
        pytest.param("2026-01-19T09:00", "2026-01-19T08:00", id="a-civil-time-included"),
        pytest.param("2026-01-19T08:59", "2026-01-12T08:00", id="a-civil-time-before"),
        pytest.param("2026-01-19T08:00Z", "2026-01-19T08:00", id="an-instant-included"),
        pytest.param("2026-01-19T07:59Z", "2026-01-12T08:00", id="an-instant-before"),
    ],
)
def test_until_is_included(until: str, last: str) -> None:
    rule = rule_from_json({**WEEKLY, "until": until})

    assert fired(rule, utc("2026-01-01"), utc("2027-01-01"))[-1].at == utc(last)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"frequency": 7}, "frequency must be text such as 'weekly', got 7"),
        ({"frequency": None}, "frequency must be text such as 'weekly', got None"),
        ({"frequency": "fortnightly"}, "FREQ 'FORTNIGHTLY' is not one of"),
        ({"frequency": "WEEKLY;COUNT=3"}, "frequency must be text such as 'weekly'"),
        ({"intervall": 2}, "a recurrence has no field intervall; known: by_day, by_month"),
        ({"interval": 0}, "INTERVAL '0' is not a whole number from 1"),
        ({"interval": 1.5}, "interval must hold whole numbers, got 1.5"),
        ({"interval": "2"}, "interval must hold whole numbers, got '2'"),
        ({"interval": True}, "interval must hold whole numbers, got True"),
        ({"count": -1}, "COUNT '-1' is not a whole number"),
        ({"count": 3, "until": "2027-01-01"}, "COUNT and UNTIL do not go together"),
        ({"by_day": ["MO;COUNT=1"]}, "by_day must hold weekdays such as 'MO' or '-1FR', got 'MO;"),
        ({"by_day": ["XX"]}, "BYDAY 'XX' is not a list of MO to SU"),
        ({"by_day": [1]}, "by_day must hold weekdays such as 'MO' or '-1FR', got 1"),
        ({"by_day": ["-1FR"]}, "a number in BYDAY goes with FREQ=MONTHLY or YEARLY only"),
        ({"by_month_day": ["1"]}, "by_month_day must hold whole numbers, got '1'"),
        ({"by_month": [13]}, "BYMONTH '13' is not a list of 1 to 12"),
        ({"by_month": [1] * 1001}, "by_month has at most 1000 values, got 1001"),
        ({"by_month": {"1": 1}}, "by_month must hold whole numbers, got {'1': 1}"),
        ({"until": 20261231}, "until must be a date, civil time or instant in ISO 8601.* got 2026"),
        ({"until": "soon"}, "until must be a date, civil time or instant in ISO.* got 'soon'"),
        ({"until": "20261231"}, "until must be a date, civil time or instant .* got '20261231'"),
        (
            {"until": "2026-W53-4"},
            "until must be a date, civil time or instant .* got '2026-W53-4'",
        ),
        (
            {"until": "2026-02-30"},
            "until must be a date, civil time or instant .* got '2026-02-30'",
        ),
        ({"until": "0001-01-01T00:00+14:00"}, "until: 0001-01-01.* is outside the supported years"),
        ({"until": "2020-01-01"}, "never matches"),
        ({"timezone": "Mars/Base"}, "unknown time zone 'Mars/Base'"),
        ({"timezone": 5}, "a recurrence needs timezone, got 5"),
        ({"timezone": None}, "a recurrence needs timezone, got None"),
        ({"start": None}, "a recurrence needs start, got None"),
        ({"start": 5}, "a civil time must be text or a naive datetime, got 5"),
        ({"start": "2026-01-05T09:00Z"}, "has a UTC offset"),
    ],
    ids=str,
)
def test_a_structured_recurrence_that_is_wrong_is_refused_naming_the_field(
    more: dict[str, Any], message: str
) -> None:
    with pytest.raises(DulyError, match=message):
        rule_from_json({**WEEKLY, **more})
