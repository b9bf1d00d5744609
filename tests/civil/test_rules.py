"""At and Every: what they name, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.civil.at import At
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json, rule_to_json
from duly.civil.instants import EARLIEST, Instant, as_instant
from duly.civil.rules import Rule
from duly.errors import AmbiguousTime, DulyError, InvalidRule, InvalidTime, NonexistentTime
from tests.civil import oracle

APPOINTMENT = At("2027-03-29T10:00", "Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dues(rule: Rule, after: datetime = EARLIEST) -> list[datetime]:
    found: list[datetime] = []
    while due := rule.next(as_instant(after) if after != EARLIEST else EARLIEST):
        found.append(due.at)
        after = due.at
    return found


def test_a_one_off_is_due_once_at_its_civil_time() -> None:
    assert dues(At("2026-07-01T09:00", "Asia/Kathmandu")) == [utc("2026-07-01T03:15")]


def test_both_passes_of_an_overlap_are_two_dues() -> None:
    rule = At("2026-10-25T02:30", "Europe/Berlin", fold="both")

    assert dues(rule) == [utc("2026-10-25T00:30"), utc("2026-10-25T01:30")]


def test_a_rejected_gap_names_both_sides_of_it() -> None:
    with pytest.raises(NonexistentTime, match=r"02:00:00\+01:00 to 2027-03-28T03:00:00\+02:00"):
        At("2027-03-28T02:30", "Europe/Berlin", gap="reject")


def test_a_rejected_overlap_names_both_offsets() -> None:
    with pytest.raises(AmbiguousTime, match=r"UTC offset \+02:00.*\+01:00"):
        At("2026-10-25T02:30", "Europe/Berlin", fold="reject")


def test_a_one_off_that_skips_its_gap_is_refused_since_it_never_matches() -> None:
    with pytest.raises(InvalidRule, match="gap='skip' leaves nothing"):
        At("2027-03-28T02:30", "Europe/Berlin", gap="skip")


@given(
    zone=st.sampled_from(oracle.names()),
    at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_an_instant_survives_being_said_in_any_zone(zone: str, at: datetime) -> None:
    assert At.instant(at, zone).moment == at


def test_the_day_before_at_nine_is_her_day_and_her_nine() -> None:
    # 10:00 in Berlin is 19:00 of the same date in Sydney.
    rule = At.before(APPOINTMENT, days=1, at="09:00", tz="Australia/Sydney")

    assert rule == At("2027-03-28T09:00", "Australia/Sydney")


def test_her_day_may_be_another_date_than_the_clinics() -> None:
    rule = At.before(At("2027-03-29T20:00", "Europe/Berlin"), days=1, at="09:00", tz="Asia/Tokyo")

    assert rule == At("2027-03-29T09:00", "Asia/Tokyo")


def test_a_day_before_is_a_day_on_the_calendar_and_not_24_hours() -> None:
    # The clocks in Berlin went forward on the 28th.
    assert At.before(APPOINTMENT, days=1).local == datetime(2027, 3, 28, 10, 0)
    assert APPOINTMENT.moment - At.before(
        At("2027-03-28T10:00", "Europe/Berlin"), days=1
    ).moment == (timedelta(hours=23 + 24))


def test_hours_and_minutes_elapse() -> None:
    before_the_gap = At("2027-03-28T01:45", "Europe/Berlin")

    assert At.after(before_the_gap, minutes=30).local == datetime(2027, 3, 28, 3, 15)
    assert At.before(At("2027-03-28T03:15", "Europe/Berlin"), minutes=30) == before_the_gap


def test_time_that_elapses_into_the_second_pass_of_an_overlap_lands_there() -> None:
    rule = At.after(At("2026-10-25T02:30", "Europe/Berlin"), hours=1)

    assert (rule.local, rule.fold) == (datetime(2026, 10, 25, 2, 30), "second")
    assert rule.moment == utc("2026-10-25T01:30")


def test_an_aware_moment_is_read_in_its_own_zone() -> None:
    moment = datetime(2027, 3, 29, 10, 0, tzinfo=ZoneInfo("Europe/Berlin"))

    assert At.before(moment, weeks=1, at=time(8, 30)) == At("2027-03-22T08:30", "Europe/Berlin")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "say how long", id="nothing"),
        pytest.param({"days": -1}, "days must be a whole number, 0 or more", id="negative"),
        pytest.param({"days": 1.5}, "days must be a whole number", id="fraction"),
        pytest.param({"hours": 1, "at": "09:00"}, "at= sets the time of day", id="at-with-hours"),
        pytest.param({"days": 1, "at": "25:00"}, "does not exist", id="no-such-time"),
        pytest.param({"days": 10**12}, "leave the calendar", id="overflow"),
        pytest.param({"days": 10**6}, "leaves the calendar", id="before-the-calendar"),
        pytest.param({"days": 1, "tz": "Mars/Base"}, "unknown time zone", id="zone"),
    ],
)
def test_a_relation_that_makes_no_sense_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(DulyError, match=message):
        At.before(APPOINTMENT, **arguments)


def test_a_moment_that_does_not_say_its_zone_needs_one() -> None:
    moment = datetime(2027, 3, 29, 10, 0, tzinfo=timezone(timedelta(hours=2)))

    with pytest.raises(InvalidTime, match="pass tz="):
        At.before(moment, days=1)


@pytest.mark.parametrize(
    ("local", "message"),
    [
        pytest.param("10000-01-01T09:00", "is not of the form", id="year-10000"),
        pytest.param("2101-01-01T09:00", "outside the supported years", id="year-2101"),
        pytest.param("1969-12-31T23:59", "outside the supported years", id="before-1970"),
        pytest.param("2026-02-30T09:00", "does not exist", id="february-30"),
        pytest.param("2026-03-29T24:00", "does not exist", id="24-hours"),
        pytest.param("2016-12-31T23:59:60", "does not exist", id="leap-second"),
        pytest.param("2026-03-29", "is not of the form", id="date-alone"),
        pytest.param("2026-W13-7T09:00", "is not of the form", id="week-date"),
        pytest.param("2026-03-29T09:00Z", "has a UTC offset", id="with-z"),
        pytest.param("2026-03-29T09:00+02:00", "has a UTC offset", id="with-offset"),
        pytest.param("tomorrow", "is not of the form", id="words"),
        pytest.param("2026-03-29T09:00\0", "is not of the form", id="nul"),
        pytest.param("\u0662026-03-29T09:00", "is not of the form", id="other-digits"),
        pytest.param("x" * 10_000, "is not of the form", id="long"),
        pytest.param(20260329, "must be text or a naive datetime", id="number"),
        pytest.param(datetime(2026, 3, 29, tzinfo=UTC), "has a UTC offset", id="aware"),
    ],
)
def test_what_is_no_civil_time_is_refused_with_the_value(local: Any, message: str) -> None:
    with pytest.raises(InvalidTime, match=message):
        At(local, "UTC")


def test_an_elapsed_rule_never_drifts_from_its_anchor() -> None:
    anchor = utc("2026-03-01T12:00:00.250000")
    rule = Every(timedelta(minutes=7), anchor)

    for count in (1, 2, 1000, 100_000):
        due = rule.next(as_instant(anchor + count * rule.interval - timedelta(microseconds=1)))
        assert due is not None
        assert due.at == anchor + count * rule.interval


@given(
    interval=st.timedeltas(timedelta(seconds=1), timedelta(days=3000)),
    anchor=st.datetimes(datetime(1971, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)),
    after=st.datetimes(datetime(1971, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)),
)
def test_an_elapsed_rule_neither_skips_nor_repeats(
    interval: timedelta, anchor: datetime, after: datetime
) -> None:
    rule = Every(interval, anchor)
    due = rule.next(as_instant(after))
    if due is None:
        return

    assert due.at > max(after, anchor)
    assert (due.at - Instant(anchor)) % interval == timedelta(0)
    assert due.at - interval <= max(after, anchor)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((timedelta(0),), "interval must be 1 second", id="zero"),
        pytest.param((timedelta(seconds=-5),), "interval must be 1 second", id="negative"),
        pytest.param((timedelta(days=5000),), "interval must be 1 second", id="too-long"),
        pytest.param((300,), "interval must be a timedelta", id="number"),
        pytest.param((timedelta(1), datetime(2026, 1, 1)), "has no UTC offset", id="naive"),
        pytest.param((timedelta(1), None, "Mars/Base"), "unknown time zone", id="zone"),
    ],
)
def test_an_elapsed_rule_that_makes_no_sense_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(DulyError, match=message):
        Every(*arguments)


RULES: list[Rule] = [
    At("2026-03-29T02:30:00.000001", "Europe/Berlin", gap="next_valid", fold="both"),
    At("2026-03-29T09:00", "Pacific/Chatham"),
    Cron("*/5 9-17 * * MON-FRI", "America/New_York", gap="skip", fold="second"),
    Every(timedelta(microseconds=1_000_001), datetime(2026, 1, 1, tzinfo=UTC), "Asia/Tokyo"),
    Every(timedelta(hours=1)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.describe())
def test_every_rule_comes_back_from_its_json_form(rule: Rule) -> None:
    again = rule_from_json(rule_to_json(rule))

    assert again == rule
    assert hash(again) == hash(rule)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param("0 9 * * *", "must be a JSON object", id="text"),
        pytest.param({"kind": "at"}, "rule version must be 1, got None", id="no-version"),
        pytest.param({"v": 2, "kind": "at"}, "rule version must be 1, got 2", id="version"),
        pytest.param({"v": 1, "kind": "moon"}, "must be one of at, cron, rrule, every", id="kind"),
        pytest.param({"v": 1, "kind": "at", "tz": "UTC"}, "needs local", id="missing"),
        pytest.param(
            {"v": 1, "kind": "cron", "expr": "* * * * *", "tz": "UTC", "x": 1},
            "has no field x",
            id="unknown-field",
        ),
        pytest.param({"v": 1, "kind": "every", "microseconds": "1"}, "whole number", id="text-µs"),
        pytest.param(
            {"v": 1, "kind": "every", "microseconds": 10**6, "anchor": "now"},
            "ISO 8601 instant",
            id="anchor",
        ),
        pytest.param(
            {"v": 1, "kind": "at", "local": "2026-01-01T00:00", "tz": "UTC", "gap": "leap"},
            "gap must be one of",
            id="policy",
        ),
    ],
)
def test_a_malformed_json_form_is_refused_naming_the_field(data: Any, message: str) -> None:
    with pytest.raises(InvalidRule, match=message):
        rule_from_json(data)
