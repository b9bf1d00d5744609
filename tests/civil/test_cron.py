"""Cron: exact across every change of the clocks, and restartable at any instant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duly.civil.cron import Cron
from duly.civil.instants import Instant, as_instant
from duly.civil.zones import get_zone
from duly.errors import InvalidRule
from tests.civil import oracle

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# Each with a change that peers get wrong: whole-hour and half-hour, at midnight, of two
# and three hours, of a whole day, and on its way in or out of daylight saving.
HARD = {
    "New_York-forward": ("America/New_York", "2026-03-08T07:00"),
    "New_York-back": ("America/New_York", "2026-11-01T06:00"),
    "Lord_Howe-forward": ("Australia/Lord_Howe", "2026-10-03T15:30"),
    "Lord_Howe-back": ("Australia/Lord_Howe", "2026-04-04T15:00"),
    "Beirut-midnight-gap": ("Asia/Beirut", "2026-03-28T22:00"),
    "Havana-midnight-overlap": ("America/Havana", "2025-11-02T05:00"),
    "Troll-two-hours": ("Antarctica/Troll", "2026-03-29T01:00"),
    "Casey-three-hours-back": ("Antarctica/Casey", "2010-03-04T15:00"),
    "Apia-lost-day": ("Pacific/Apia", "2011-12-30T10:00"),
    "Caracas-half-hour": ("America/Caracas", "2016-05-01T07:00"),
}
hard = pytest.mark.parametrize(("zone", "change"), HARD.values(), ids=HARD)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(rule: Cron, start: datetime, end: datetime) -> list[datetime]:
    """Every firing in (start, end], asked for one after the other."""
    found: list[datetime] = []
    after = as_instant(start)
    while (due := rule.next(after)) and due.at <= end:
        assert due.at > after
        found.append(due.at)
        after = due.at
    return found


def _matches(naive: Cron, reading: datetime) -> bool:
    due = naive.next(as_instant(reading - timedelta(seconds=1)))
    return due is not None and due.at == reading


def test_the_changes_above_are_real() -> None:
    for zone, change in HARD.values():
        assert get_zone(zone).transitions(utc(change) - HOUR, utc(change) + HOUR), zone


@hard
@pytest.mark.parametrize("expr", ["*/15 * * * *", "*/7 */2 * * *", "0 * * * *", "30 1-23/1 * * *"])
def test_a_wildcard_job_fires_whenever_the_clocks_read_a_time_it_names(
    zone: str, change: str, expr: str
) -> None:
    start, end = utc(change) - 30 * HOUR, utc(change) + 30 * HOUR
    naive = Cron(expr, "UTC")
    # Minute by minute, with the oracle's clocks: nothing of ours but the plain matcher.
    minutes = [start + count * MINUTE for count in range(1, int((end - start) / MINUTE) + 1)]
    wanted = [at for at in minutes if _matches(naive, at + oracle.offset(zone, at))]

    assert fired(Cron(expr, zone), start, end) == wanted


@hard
@pytest.mark.parametrize("expr", ["30 2 * * *", "0 0 * * *", "0,30 1,2,3 * * *", "59 23 * * *"])
@pytest.mark.parametrize("gap", ["shift", "next_valid", "earlier", "skip"])
@pytest.mark.parametrize("fold", ["first", "second", "both"])
def test_a_fixed_job_fires_at_each_time_that_its_policies_give(
    zone: str, change: str, expr: str, gap: Any, fold: Any
) -> None:
    start, end = utc(change) - 60 * HOUR, utc(change) + 60 * HOUR
    naive, wanted = Cron(expr, "UTC"), set()
    local = start - 50 * HOUR
    while local < end + 50 * HOUR:
        due = naive.next(as_instant(local))
        assert due is not None
        local = due.at
        named = oracle.instants(zone, local.replace(tzinfo=None), gap, fold)
        wanted |= {at for at in named if start < at <= end}  # type: ignore[operator]

    assert fired(Cron(expr, zone, gap=gap, fold=fold), start, end) == sorted(wanted)


@hard
@pytest.mark.parametrize("expr", ["*/30 * * * *", "0,30 1,2,3 * * *", "0 */30 2 * * *"])
def test_a_restart_at_any_instant_goes_on_as_if_it_had_never_stopped(
    zone: str, change: str, expr: str
) -> None:
    rule = Cron(expr, zone)
    start, end = utc(change) - 26 * HOUR, utc(change) + 26 * HOUR
    uninterrupted = fired(rule, start, end + 3 * HOUR * 24)
    at = start
    while at < end:
        due = rule.next(as_instant(at))
        assert due is not None
        assert due.at == min(one for one in uninterrupted if one > at), at
        at += 11 * MINUTE


@pytest.mark.parametrize("chunk", range(8))
def test_a_fixed_daily_job_fires_once_on_each_local_day_in_every_zone(chunk: int) -> None:
    for zone in oracle.names()[chunk::8]:
        changes = [at for at in oracle.transitions(zone) if 2024 <= at.year <= 2027]
        for expr in ("30 2 * * *", "30 1 * * *", "0 0 * * *"):
            rule = Cron(expr, zone)
            for change in changes:
                _assert_once_a_day(rule, zone, change)


def _assert_once_a_day(rule: Cron, zone: str, change: datetime) -> None:
    start, end = change - 60 * HOUR, change + 60 * HOUR
    after, days = as_instant(start), Counter[date]()
    while (due := rule.next(after)) and due.at <= end:
        days[due.wall_time.date()] += 1
        after = due.at
    whole = {(change + timedelta(days=day)).date() for day in (-1, 0, 1)}
    assert {day: days[day] for day in whole} == dict.fromkeys(whole, 1), (zone, rule.expr, change)


@given(
    zone=st.sampled_from(oracle.names()),
    expr=st.sampled_from(
        ["15 4 * * *", "*/20 * * * *", "0 0 1 * *", "5,35 1,2 * * SUN", "@weekly"]
    ),
    at=st.datetimes(datetime(1972, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=200)
def test_the_next_is_always_later_and_nothing_lies_between(
    zone: str, expr: str, at: datetime
) -> None:
    rule = Cron(expr, zone)
    due = rule.next(as_instant(at))
    assert due is not None
    assert due.at > at
    between = rule.next(Instant(at + (due.at - Instant(at)) / 2))
    assert between is not None
    assert between.at == due.at


@pytest.mark.parametrize(
    ("expr", "after", "wanted"),
    [
        pytest.param("0 9 * * MON-FRI", "2026-11-20T15:00", "2026-11-23T14:00", id="weekdays"),
        pytest.param("0 9 29 2 *", "2026-01-01T00:00", "2028-02-29T14:00", id="leap-day"),
        pytest.param("15 30 8 * * *", "2026-11-20T00:00", "2026-11-20T13:30:15", id="seconds"),
        pytest.param("0 0 L * *", "2026-11-02T00:00", "2026-11-30T05:00", id="last-day"),
        pytest.param("0 0 LW * *", "2027-01-01T06:00", "2027-01-29T05:00", id="last-weekday"),
        pytest.param("0 0 * * FRI#2", "2026-11-01T06:00", "2026-11-13T05:00", id="second-friday"),
        pytest.param("0 0 1 * MON", "2026-11-24T00:00", "2026-11-30T05:00", id="either-day"),
        pytest.param("@daily", "2026-11-24T00:00", "2026-11-24T05:00", id="named"),
    ],
)
def test_an_expression_means_what_crontab_says(expr: str, after: str, wanted: str) -> None:
    due = Cron(expr, "America/New_York").next(as_instant(utc(after)))

    assert due is not None
    assert due.at == utc(wanted)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        pytest.param("61 * * * *", "minute '61' is not of 0-59", id="minute"),
        pytest.param("* 24 * * *", "hour '24' is not of 0-23", id="hour"),
        pytest.param("* * 0 * *", "day-of-month '0' is not of 1-31", id="day"),
        pytest.param("* * * 13 *", "month '13' is not of 1-12", id="month"),
        pytest.param("* * * * FRO", "day-of-week 'FRO' is not of 0-7", id="weekday"),
        pytest.param("*/0 * * * *", r"minute '\*/0'", id="step-of-none"),
        pytest.param("* * * *", "must have 5 fields", id="four-fields"),
        pytest.param("", "must have 5 fields", id="empty"),
        pytest.param("@fortnightly", "unknown name", id="name"),
        pytest.param("0 0 31 2 *", "never matches", id="february-31"),
        pytest.param("0 0 30 2 *", "never matches", id="february-30"),
        pytest.param("0 0 31 4,6,9,11 *", "never matches", id="short-months"),
        pytest.param("* " * 200, "at most 256 characters", id="long"),
        pytest.param("\u0660 * * * *", "must have 5 fields", id="other-digits"),
        pytest.param(5, "must be text", id="number"),
    ],
)
def test_a_bad_expression_is_refused_naming_the_field(expr: Any, message: str) -> None:
    with pytest.raises(InvalidRule, match=message):
        Cron(expr, "UTC")


def test_a_rule_ends_with_the_supported_years() -> None:
    assert Cron("@yearly", "UTC").next(as_instant(utc("2100-06-01T00:00"))) is None
