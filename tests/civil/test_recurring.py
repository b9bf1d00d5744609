"""What every recurring rule promises, of whatever kind, in whatever zone."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, WallTime, as_instant
from duly.civil.resolve import Due, FoldPolicy, resolve
from duly.civil.rrule import RRule
from duly.civil.rules import Rule
from duly.civil.zones import get_zone
from duly.errors import DulyError, InvalidRule
from tests.civil import oracle
from tests.civil.random_rules import (
    DAY,
    HOUR,
    TICK,
    any_rules,
    changes,
    fired,
    instants,
    rules_near,
    zones,
)

MINUTE = timedelta(minutes=1)
# The only days that a zone left out since 2000: those west of the date line went over it.
LOST_DAYS = {
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Fakaofo", date(2011, 12, 30)),
}


@st.composite
def rules_and_moments(draw: st.DrawFn) -> tuple[Rule, datetime, list[datetime]]:
    """A rule, the instant that it is asked from, and some more of the days after."""
    zone = draw(zones())
    begun = draw(changes(zone)) - 2 * DAY
    rule = draw(rules_near(zone, begun))
    return rule, begun, draw(st.lists(instants(begun, begun + 4 * DAY), min_size=1, max_size=6))


@given(case=rules_and_moments(), ticks=st.integers(-1, 1))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_next_from_any_instant_is_the_first_later_one_of_the_whole_row(
    case: tuple[Rule, datetime, list[datetime]], ticks: int
) -> None:
    rule, begun, moments = case
    row = fired(rule, begun, begun + 5 * DAY)
    beside = [due.at + ticks * TICK for due in row[:20]]

    for moment in filter(begun.__le__, [*moments, *beside]):
        found = rule.next(as_instant(moment))
        wanted = next((due for due in row if due.at > moment), None)
        if wanted is None:
            assert found is None or found.at > begun + 5 * DAY
        else:
            assert found == wanted, moment


def _distinct_zones() -> list[str]:
    """Every zone, but for those that are another by name only."""
    return sorted({get_zone(name).fingerprint: name for name in oracle.names()[::-1]}.values())


def _daily(zone: str) -> Iterator[tuple[time, Rule]]:
    """Daily rules at fixed times, of both kinds that have them."""
    for at in (time(0, 0), time(2, 30)):
        yield at, Cron(f"{at.minute} {at.hour} * * *", zone)
    for at in (time(1, 30), time(12, 0)):
        yield at, RRule("FREQ=DAILY", datetime.combine(date(1999, 12, 1), at), zone)


@pytest.mark.parametrize("chunk", range(6))
def test_a_fixed_daily_rule_fires_once_on_each_local_day_around_every_change(chunk: int) -> None:
    for zone in _distinct_zones()[chunk::6]:
        changed = oracle.transitions(zone)
        for at, rule in _daily(zone):
            for change in changed:
                _assert_once_a_day(zone, at, rule, change)


def _assert_once_a_day(zone: str, at: time, rule: Rule, change: datetime) -> None:
    start, end = change - 36 * HOUR, change + 36 * HOUR
    days = [(change + count * DAY).date() for count in range(-4, 5)]
    named = {
        instant
        for day in days
        for instant in oracle.instants(zone, datetime.combine(day, at), "shift", "first")
    }
    row = fired(rule, start, end)
    assert [due.at for due in row] == sorted(one for one in named if start < one <= end), (  # type: ignore[operator]
        zone,
        at,
        change,
    )
    seen = Counter((due.at + oracle.offset(zone, due.at)).date() for due in row)
    assert set(seen.values()) == {1}, (zone, at, change)
    between = {min(seen) + count * DAY for count in range((max(seen) - min(seen)).days)}
    assert {(zone, day) for day in between - set(seen)} <= LOST_DAYS, (zone, at, change)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"])
def test_a_fixed_daily_rule_fires_as_often_as_a_year_has_days(zone: str) -> None:
    for _, rule in list(_daily(zone))[1:3]:
        row = fired(rule, utc("1999-12-25"), utc("2038-01-05"))
        counted = Counter(due.wall_time.year for due in row)
        for year in range(2000, 2038):
            assert counted[year] == (date(year + 1, 1, 1) - date(year, 1, 1)).days, (zone, year)


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Pacific/Fakaofo"])
@pytest.mark.parametrize(
    "rule", [Cron("0 9 * * *", "UTC"), RRule("FREQ=DAILY", "2011-01-01T09:00", "UTC")], ids=repr
)
def test_a_day_that_a_zone_left_out_moves_onto_the_next_and_fires_once_there(
    zone: str, rule: Rule
) -> None:
    here = rule_from_json({**rule.to_json(), "tz": zone})

    row = fired(here, utc("2011-12-29T00:00"), utc("2012-01-02T00:00"))

    read = [get_zone(zone).wall_time_at(due.at).date().isoformat() for due in row]
    assert read == ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"][-len(read) :]
    assert read.count("2011-12-31") == 1


@st.composite
def zones_and_changes(draw: st.DrawFn) -> tuple[str, datetime]:
    zone = draw(zones())
    return zone, draw(changes(zone))


@given(near=zones_and_changes(), hours=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_an_elapsed_rule_neither_leaves_out_nor_repeats_an_instant_at_a_change(
    near: tuple[str, datetime], hours: int
) -> None:
    zone, change = near
    start, end = change - hours * HOUR, change + hours * HOUR
    minutes = [start + count * MINUTE for count in range(1, int((end - start) / MINUTE) + 1)]
    begun = (start - 2 * DAY).replace(tzinfo=None)

    for rule in (
        Cron("* * * * *", zone),
        RRule("FREQ=MINUTELY", begun, zone),
        Every(MINUTE, start - DAY, zone),
    ):
        assert [due.at for due in fired(rule, start, end)] == minutes, rule


@given(near=zones_and_changes())
@settings(max_examples=60, deadline=None)
def test_an_hourly_rule_fires_whenever_the_clocks_read_its_minute(
    near: tuple[str, datetime],
) -> None:
    zone, change = near
    start, end = change.replace(minute=0) - 5 * HOUR, change.replace(minute=0) + 5 * HOUR
    quarters = [start + count * 15 * MINUTE for count in range(1, 41)]
    wanted = [at for at in quarters if (at + oracle.offset(zone, at)).minute == 30]
    begun = datetime.combine((start - 2 * DAY).date(), time(0, 30))

    for rule in (Cron("30 * * * *", zone), RRule("FREQ=HOURLY", begun, zone)):
        assert [due.at for due in fired(rule, start, end)] == wanted, rule


@given(zone=zones(), data=st.data(), fold=st.sampled_from(["first", "second", "both"]))
@settings(max_examples=200, deadline=None)
def test_a_civil_time_that_exists_is_what_the_clocks_read_at_its_instants(
    zone: str, data: st.DataObject, fold: FoldPolicy
) -> None:
    change = data.draw(changes(zone))
    local = data.draw(instants(change - DAY, change + DAY)).replace(tzinfo=None)

    dues = resolve(local, zone, fold=fold)

    read = [get_zone(zone).wall_time_at(due.at) for due in dues]
    if dues[0].resolution == "gap":
        assert read != [local]
        return
    assert read == [local] * len(dues)
    assert len(dues) == (2 if fold == "both" and dues[0].resolution == "overlap" else 1)
    assert [due.at for due in dues] == oracle.instants(zone, local, "shift", fold)


@given(near=zones_and_changes(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_every_instant_is_named_by_what_the_clocks_read_then(
    near: tuple[str, datetime], data: st.DataObject
) -> None:
    zone, change = near
    at = data.draw(instants(change - DAY, change + DAY))

    dues = resolve(get_zone(zone).wall_time_at(at), zone, gap="reject", fold="both")

    assert at in [due.at for due in dues]


@given(rule=any_rules())
@settings(max_examples=300, deadline=None)
def test_a_rule_comes_back_from_json_and_from_a_pickle_and_is_a_key(rule: Rule) -> None:
    text = json.dumps(rule.to_json())

    for again in (
        rule_from_json(rule.to_json()),
        rule_from_json(json.loads(text)),
        pickle.loads(pickle.dumps(rule)),
    ):
        assert again == rule
        assert {rule: 1}[again] == 1
        assert json.dumps(again.to_json()) == text
        assert again.describe() == rule.describe()


@given(
    rule=any_rules(),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=100, deadline=None)
def test_a_rule_that_came_back_is_due_at_the_same_instants(rule: Rule, at: datetime) -> None:
    due = rule.next(as_instant(at))

    assert rule_from_json(json.loads(json.dumps(rule.to_json()))).next(as_instant(at)) == due
    assert pickle.loads(pickle.dumps(rule)).next(as_instant(at)) == due


def test_rules_that_differ_are_not_equal() -> None:
    rules = [
        Cron("0 9 * * *", "UTC"),
        Cron("0 9 * * *", "Europe/Berlin"),
        Cron("0 9 * * *", "UTC", gap="skip"),
        Cron("0 9 * * *", "UTC", max_occurrences=2),
        Cron("0 9 * * *", "UTC", jitter=HOUR),
        RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC"),
        RRule("FREQ=DAILY", "2026-01-02T09:00", "UTC"),
        RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC", exdates=["2026-01-04T09:00"]),
        RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC", rdates=["2026-01-04T10:00"]),
        Every(DAY, tz="UTC"),
        Every(DAY, utc("2026-01-01"), "UTC"),
    ]

    assert len(set(rules)) == len(rules)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "2026-01-01",
            "2026-01-01T09:00",
            "UTC",
            "MO",
            "mon",
            "skip",
            "9999-12-31T23:59:59-05:00",
            "DE",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
FORMS: list[dict[str, Any]] = [
    {"v": 1, "kind": "at", "local": "2026-03-29T02:30", "tz": "Europe/Berlin", "gap": "shift",
     "fold": "both", "jitter": 5.5, "seed": "x"},
    {"v": 1, "kind": "cron", "expr": "0 9 * * *", "tz": "UTC", "gap": "skip", "fold": "first",
     "day_match": "and", "start": "2026-01-01T00:00", "end": "2027-01-01T00:00+00:00",
     "max_occurrences": 5, "calendar": {"country": "DE", "subdivision": "BY",
     "closed": ["2026-01-02"], "open": ["2026-01-03"], "weekend": ["sun"]},
     "on_closed": "next_business_day"},
    {"v": 1, "kind": "cron", "expr": "0 9 * * *", "tz": "UTC",
     "calendar": {"hours": {"mon": ["08:00", "18:00"]}}},
    {"v": 1, "kind": "rrule", "text": "FREQ=DAILY", "start": "2026-01-01T09:00", "tz": "UTC",
     "exdates": ["2026-01-02T09:00"], "rdates": ["2026-01-02T10:00"], "gap": "skip"},
    {"v": 1, "kind": "every", "microseconds": 10**7, "anchor": "2026-01-01T00:00+00:00",
     "tz": "UTC", "start": "2026-01-01T00:00"},
    {"frequency": "weekly", "interval": 2, "count": 5, "by_day": ["MO"], "by_month_day": [],
     "by_month": [1], "start": "2026-01-01T09:00", "timezone": "UTC"},
    {"frequency": "daily", "until": "2027-01-01", "start": "2026-01-01T09:00", "timezone": "UTC"},
]  # fmt: skip


@st.composite
def broken_forms(draw: st.DrawFn) -> Any:
    """A form of which some value, at any depth, is another."""
    data = json.loads(json.dumps(draw(st.sampled_from(FORMS))))
    for _ in range(draw(st.integers(1, 2))):
        inner: Any = data
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(inner[key], (dict, list)) and inner[key] and draw(st.booleans()):
                inner = inner[key]
                continue
            if isinstance(inner, dict) and draw(st.integers(0, 5)) == 0:
                del inner[key]
            else:
                inner[key] = draw(JUNK)
            break
    return data


@given(data=broken_forms() | JUNK)
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_json_says_is_a_rule_or_refused_with_an_error_of_ours(data: Any) -> None:
    rule = _read(data)
    if isinstance(rule, str):
        assert len(rule) < 1000
        return
    assert rule_from_json(json.loads(json.dumps(rule.to_json()))) == rule
    rule.describe()


@pytest.mark.parametrize("field", ["gap", "fold"])
@pytest.mark.parametrize("value", ["", False, 0, [], {}], ids=repr)
def test_a_policy_that_is_no_text_is_not_taken_for_one_left_out(field: str, value: Any) -> None:
    form = RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC").to_json()

    with pytest.raises(InvalidRule, match=f"rule {field} must be the name of a policy, got"):
        rule_from_json({**form, field: value})


def test_a_stored_time_that_new_data_leaves_out_gives_way_to_the_first_after_it() -> None:
    rule = Cron("30 1,2,3 * * *", "Europe/Berlin", gap="skip")
    # As it was before 02:30 became part of a gap; 03:30 is where a shift would land.
    stored = Due(
        Instant(utc("2026-03-29T01:30")),
        WallTime(datetime(2026, 3, 29, 2, 30)),
        "Europe/Berlin",
        "plain",
    )

    found = rule.rederived(stored, Instant(utc("2026-03-29T00:30")))

    assert found is not None
    assert (found.at, found.wall_time) == (utc("2026-03-29T01:30"), datetime(2026, 3, 29, 3, 30))


def _read(data: object) -> Rule | str:
    try:
        return rule_from_json(data)
    except DulyError as refused:
        return str(refused)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
