"""What a recurring rule may add: from when to when, how often, how spread."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duly.civil.at import At
from duly.civil.calendars import BusinessCalendar
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, as_instant
from duly.civil.resolve import Due
from duly.civil.rrule import RRule
from duly.civil.rules import Rule
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import DulyError, InvalidRule
from tests.civil.random_rules import (
    DAY,
    HOUR,
    TICK,
    all_fired,
    changes,
    fired,
    rules_near,
    zones,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due_after(rule: Rule, after: datetime) -> Due:
    due = rule.next(as_instant(after))
    assert due is not None
    return due


# --- start and end ---


@pytest.mark.parametrize(
    ("start", "first"),
    [
        pytest.param("2026-06-01T09:00", "2026-06-01T07:00", id="civil"),
        pytest.param("2026-06-01T09:00:00.000001", "2026-06-02T07:00", id="civil-just-after"),
        pytest.param("2026-06-01T07:00:00Z", "2026-06-01T07:00", id="instant"),
        pytest.param("2026-06-01T07:00:00.000001+00:00", "2026-06-02T07:00", id="instant-after"),
        pytest.param("2026-06-01T16:00+09:00", "2026-06-01T07:00", id="another-offset"),
        pytest.param(datetime(2026, 6, 1, 9), "2026-06-01T07:00", id="naive"),
        pytest.param(datetime(2026, 6, 1, 7, tzinfo=UTC), "2026-06-01T07:00", id="aware"),
    ],
)
def test_a_rule_fires_from_its_start_on_that_included(start: Any, first: str) -> None:
    rule = Cron("0 9 * * *", BERLIN, start=start)

    assert due_after(rule, utc("2020-01-01")).at == utc(first)
    assert due_after(rule, utc("2026-07-01")).at == utc("2026-07-01T07:00")


@pytest.mark.parametrize(
    ("end", "last"),
    [
        pytest.param("2026-06-01T09:00", "2026-05-31T07:00", id="civil"),
        pytest.param("2026-06-01T09:00:00.000001", "2026-06-01T07:00", id="civil-just-after"),
        pytest.param("2026-06-01T07:00:00Z", "2026-05-31T07:00", id="instant"),
        pytest.param("2026-06-01T07:00:00.000001Z", "2026-06-01T07:00", id="instant-after"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda **more: Cron("0 9 * * *", BERLIN, **more),
        lambda **more: RRule("FREQ=DAILY", "2026-05-01T09:00", BERLIN, **more),
        lambda **more: Every(DAY, utc("2026-05-01T07:00"), BERLIN, **more),
    ],
    ids=["cron", "rrule", "every"],
)
def test_a_rule_fires_before_its_end_that_left_out(make: Any, end: str, last: str) -> None:
    rule = make(end=end)

    assert due_after(rule, utc(last) - TICK).at == utc(last)
    assert rule.next(as_instant(utc(last))) is None


def test_a_window_that_begins_in_a_gap_and_ends_in_an_overlap_is_half_open() -> None:
    half_hours = Cron("*/30 * * * *", BERLIN, start="2026-03-29T02:30", end="2026-10-25T02:30")

    # 02:30 does not exist, and is 03:30 then; 02:30 comes twice, and ends it the first time.
    assert due_after(half_hours, utc("2026-01-01")).at == utc("2026-03-29T01:30")
    assert fired(half_hours, utc("2026-10-24T23:30"), utc("2026-11-01"))[-1].at == utc(
        "2026-10-25T00:00"
    )


def test_a_window_of_instants_divides_the_two_passes_of_an_overlap() -> None:
    passes = Cron("30 2 * * *", BERLIN, fold="both", start=utc("2026-10-25T01:00"))

    assert due_after(passes, utc("2026-10-24T12:00")).at == utc("2026-10-25T01:30")


def test_what_was_moved_out_of_a_gap_is_bounded_by_when_it_fires() -> None:
    # 02:30 fires at 03:30, after an end at 03:15.
    rule = Cron("30 2 * * *", BERLIN, end="2026-03-29T03:15")

    assert due_after(rule, utc("2026-03-27T12:00")).at == utc("2026-03-28T01:30")
    assert rule.next(as_instant(utc("2026-03-28T12:00"))) is None


def test_a_civil_start_and_an_instant_as_end_are_compared_in_the_zone() -> None:
    # 09:00 in Tokyo is before 01:00 in London, whatever the digits say.
    rule = Cron("0 * * * *", "Asia/Tokyo", start="2026-01-05T09:00", end=utc("2026-01-05T01:30"))

    assert all_fired(rule) == [utc("2026-01-05T00:00"), utc("2026-01-05T01:00")]


# --- max_occurrences ---

COUNTED = [
    pytest.param(
        Cron("0 9 * * *", BERLIN, start="2026-03-28T00:00", max_occurrences=3),
        ["2026-03-28T08:00", "2026-03-29T07:00", "2026-03-30T07:00"],
        id="cron",
    ),
    pytest.param(
        RRule("FREQ=DAILY", "2026-03-28T09:00", BERLIN, max_occurrences=2),
        ["2026-03-28T08:00", "2026-03-29T07:00"],
        id="rrule-from-its-own-start",
    ),
    pytest.param(
        RRule("FREQ=DAILY;COUNT=2", "2026-03-28T09:00", BERLIN, max_occurrences=5),
        ["2026-03-28T08:00", "2026-03-29T07:00"],
        id="rrule-that-ends-before",
    ),
    pytest.param(
        Every(HOUR, utc("2026-01-01"), start=utc("2026-01-01T05:00"), max_occurrences=2),
        ["2026-01-01T05:00", "2026-01-01T06:00"],
        id="every",
    ),
    pytest.param(
        Cron(
            "0 9 * * *",
            "UTC",
            start="2026-01-02T00:00",
            max_occurrences=2,
            calendar=BusinessCalendar(closed=["2026-01-05"]),
        ),
        ["2026-01-02T09:00", "2026-01-06T09:00"],
        id="what-a-calendar-leaves-out-is-not-counted",
    ),
    pytest.param(
        Cron(
            "0 9 * * *",
            "UTC",
            start="2026-01-02T00:00",
            max_occurrences=2,
            calendar=BusinessCalendar(),
            on_closed="next_business_day",
        ),
        ["2026-01-02T09:00", "2026-01-05T09:00"],
        id="what-a-calendar-moves-together-is-counted-once",
    ),
    pytest.param(
        Cron("30 2 * * *", BERLIN, fold="both", start="2026-10-25T00:00", max_occurrences=2),
        ["2026-10-25T00:30", "2026-10-25T01:30"],
        id="both-passes-are-two",
    ),
    pytest.param(
        Cron("0 9 * * *", "UTC", start="2026-01-01T09:00", end="2026-01-02T09:00",
             max_occurrences=5),
        ["2026-01-01T09:00"],
        id="end-comes-first",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "wanted"), COUNTED)
def test_a_rule_fires_as_often_as_it_counts_whenever_it_is_asked(
    rule: Rule, wanted: list[str]
) -> None:
    instants = [utc(one) for one in wanted]

    assert all_fired(rule) == instants
    # Asked backwards too: what it counts does not depend on what was asked before.
    for count in range(len(instants) - 1, -1, -1):
        assert all_fired(rule, instants[count]) == instants[count + 1 :]
    assert rule.next(as_instant(utc("2050-01-01"))) is None


def test_a_rule_without_a_start_counts_from_when_it_is_scheduled() -> None:
    rule = Cron("0 9 * * *", "UTC", max_occurrences=2)
    now = Instant(utc("2026-01-01T09:00"))

    # What fires at that very instant is over.
    assert all_fired(rule.anchored(now)) == [utc("2026-01-02T09:00"), utc("2026-01-03T09:00")]
    assert rule.anchored(now).anchored(Instant(now + DAY)) == rule.anchored(now)


def test_a_rule_counts_what_fires_a_moment_after_it_is_scheduled() -> None:
    rule = Every(SECOND, utc("2026-01-01T00:00:00.95"), max_occurrences=2)

    anchored = rule.anchored(Instant(utc("2026-01-01T12:00:00.90")))

    assert all_fired(anchored) == [utc("2026-01-01T12:00:00.95"), utc("2026-01-01T12:00:01.95")]


def test_jitter_changes_neither_how_many_fire_nor_which() -> None:
    plain = Cron("0 */6 * * *", "UTC", start="2026-01-01T00:00", max_occurrences=9)
    late = Cron("0 */6 * * *", "UTC", start="2026-01-01T00:00", max_occurrences=9, jitter=DAY)

    rows = zip(all_fired(plain), fired(late, utc("2025-01-01"), utc("2027-01-01")), strict=True)
    assert all(base == due.at - due.jitter for base, due in rows)


# --- jitter ---


@st.composite
def jittered(draw: st.DrawFn) -> tuple[Rule, Rule, datetime]:
    """A rule with jitter, the same without, and an instant to begin at."""
    zone = draw(zones())
    begun = draw(changes(zone)) - 2 * DAY
    late = draw(rules_near(zone, begun).filter(lambda rule: rule.terms.jitter is not None))
    form = late.to_json()
    return late, rule_from_json({key: form[key] for key in form if key != "jitter"}), begun


@given(case=jittered())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_firing_is_late_by_less_than_jitter_and_before_the_next_and_the_end(
    case: tuple[Any, Rule, datetime],
) -> None:
    rule, plain, begun = case
    base = fired(plain, begun, begun + 6 * DAY)
    late = fired(rule, begun, begun + 5 * DAY)
    # What is late of a firing before is no part of the row.
    late = [due for due in late if due.at - due.jitter > begun]

    assert [due.at - due.jitter for due in late] == [due.at for due in base[: len(late)]]
    for due in late:
        assert timedelta(0) <= due.jitter < rule.terms.jitter
    for one, following in pairwise(base[: len(late) + 1]):
        assert late[base.index(one)].at < following.at
    if rule.terms.end is not None and late:
        assert late[-1].at < rule.terms.end_instant(get_zone(rule.zone))


@pytest.mark.parametrize(
    "rule",
    [
        Cron("0 9 * * *", "UTC", end="2026-01-03T09:30", jitter=DAY),
        RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC", end="2026-01-03T09:30", jitter=DAY),
        Every(DAY, utc("2026-01-01T09:00"), end="2026-01-03T09:30", jitter=DAY),
    ],
    ids=["cron", "rrule", "every"],
)
@pytest.mark.parametrize("seed", ["a", "b", "c", "d"])
def test_the_last_firing_is_late_within_what_is_left_until_the_end(rule: Any, seed: str) -> None:
    seeded = rule.anchored(Instant(utc("2026-01-01")), seed)

    assert (
        utc("2026-01-03T09:00")
        <= all_fired(seeded, utc("2026-01-01"))[-1]
        < utc("2026-01-03T09:30")
    )


def test_a_moved_stored_firing_keeps_within_the_end_too() -> None:
    rule = Cron("0 9 * * *", "UTC", end="2026-01-03T09:30", jitter=DAY, seed="a")
    last = due_after(rule, utc("2026-01-03T00:00"))

    assert rule.rederived(last, Instant(utc("2026-01-03T00:00"))) == last


def test_two_passes_of_a_one_off_are_late_in_order() -> None:
    for seed in "abcdefgh":
        rule = At("2026-10-25T02:30", BERLIN, fold="both", jitter=DAY, seed=seed)

        first, second = all_fired(rule)

        assert utc("2026-10-25T00:30") <= first < utc("2026-10-25T01:30") <= second
        stored = due_after(rule, first)
        assert rule.rederived(stored, Instant(first)) == stored


@pytest.mark.parametrize(
    "rule",
    [
        Cron("0 * * * *", "UTC", jitter=HOUR),
        Every(7 * MINUTE, utc("2026-01-01"), jitter=DAY),
        RRule("FREQ=DAILY", "2026-01-01T09:00", "UTC", jitter=timedelta(hours=5)),
    ],
    ids=["cron", "every", "rrule"],
)
def test_jitter_is_the_same_whenever_it_is_asked_and_another_for_each_event(rule: Any) -> None:
    one, other = (rule.anchored(Instant(utc("2026-01-01")), seed) for seed in ("one", "other"))
    window = utc("2026-01-01T12:00"), utc("2026-01-05")

    assert fired(one, *window) == fired(one, *window)
    assert {due.jitter for due in fired(one, *window)}.isdisjoint(
        due.jitter for due in fired(other, *window)
    )


def test_jitter_is_spread_evenly() -> None:
    rule = Cron("0 * * * *", "UTC", jitter=HOUR, seed="x")
    shares = [due.jitter / HOUR for due in fired(rule, utc("2026-01-01"), utc("2026-03-01"))]

    for tenth in range(10):
        there = sum(tenth <= share * 10 < tenth + 1 for share in shares)
        assert 0.05 < there / len(shares) < 0.15


def test_jitter_of_a_civil_time_stays_when_the_time_moves_on_the_line_of_time() -> None:
    berlin, tokyo = (
        [due.jitter for due in fired(rule, utc("2026-03-01T12:00"), utc("2026-04-20"))]
        for zone in (BERLIN, "Asia/Tokyo")
        for rule in [Cron("0 9 * * *", zone, jitter=HOUR, seed="x")]
    )

    assert berlin == tokyo


def test_jitter_of_elapsed_time_stays_when_the_clocks_read_otherwise() -> None:
    berlin, tokyo = (
        [due.at for due in fired(rule, utc("2026-03-01T12:30"), utc("2026-04-20"))]
        for zone in (BERLIN, "Asia/Tokyo")
        for rule in [Every(7 * HOUR, utc("2026-01-01"), zone, jitter=HOUR, seed="x")]
    )
    wildcard, other = (
        [due.at for due in fired(rule, utc("2026-03-01T12:30"), utc("2026-03-05"))]
        for zone in (BERLIN, "Asia/Tokyo")
        for rule in [Cron("0 * * * *", zone, jitter=HOUR, seed="x")]
    )

    assert berlin == tokyo
    assert wildcard == other


@pytest.mark.parametrize(
    "rule",
    [
        Cron("0 9 * * *", BERLIN, jitter=DAY, seed="x"),
        Every(DAY, utc("2026-01-01"), jitter=DAY, seed="x"),
        Cron("0 * * * *", BERLIN, jitter=DAY, seed="x", start="2026-10-24T09:30"),
        RRule("FREQ=MINUTELY;INTERVAL=20", "2026-01-01T00:00", BERLIN, jitter=HOUR, seed="x"),
    ],
    ids=repr,
)
def test_asked_between_a_firing_and_its_late_instant_the_next_is_that_instant(rule: Rule) -> None:
    row = fired(rule, utc("2026-10-24T07:00"), utc("2026-10-28"))

    for before, due in pairwise(row):
        middle = due.at - due.jitter / 2
        for moment in (before.at, due.at - due.jitter - TICK, middle, due.at - TICK):
            if before.at <= moment < due.at:
                assert rule.next(as_instant(moment)) == due


def test_the_jitter_of_a_crowded_rule_takes_few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = Every._next

    def counted(rule: Every, zone: Zone, after: Instant) -> Due | None:
        asked.append(after)
        return plain(rule, zone, after)

    monkeypatch.setattr(Every, "_next", counted)
    for interval in (SECOND, 90 * MINUTE, 30 * HOUR):
        rule = Every(interval, utc("2020-01-01"), jitter=DAY, seed="x")
        asked.clear()
        due_after(rule, utc("2026-01-01T00:00:00.5"))
        # Of 86,400 firings that may be late, the last one is found by halving.
        assert len(asked) < 50, interval


# --- what is refused ---


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"start": 5}, "start must be a civil time or an instant, got 5"),
        ({"end": ["2026"]}, r"end must be a civil time or an instant, got \['2026'\]"),
        ({"start": "tomorrow"}, "start: civil time 'tomorrow' is not of the form"),
        ({"end": "2026-02-30T00:00"}, "end: civil time '2026-02-30T00:00' does not exist"),
        ({"end": "2026-03-29"}, "end: civil time '2026-03-29' is not of the form"),
        ({"start": "1969-01-01T00:00Z"}, "start: 1969-01-01T00:00:00.00:00 is outside the"),
        ({"end": datetime(2101, 1, 1)}, "end: 2101-01-01T00:00:00 is outside the supported"),
        (
            {"start": "2026-01-02T00:00", "end": "2026-01-02T00:00"},
            "end must be after start, got 2026-01-02 00:00:00 to 2026-01-02 00:00:00",
        ),
        (
            {"start": "2026-01-02T02:00Z", "end": "2026-01-02T02:00+01:00"},
            "end must be after start, got 2026-01-02 02:00:00Z to 2026-01-02 01:00:00Z",
        ),
        ({"max_occurrences": 0}, "max_occurrences must be 1 to 1000, got 0"),
        ({"max_occurrences": 1001}, "max_occurrences must be 1 to 1000, got 1001"),
        ({"max_occurrences": True}, "max_occurrences must be 1 to 1000, got True"),
        ({"max_occurrences": 2.0}, "max_occurrences must be 1 to 1000, got 2.0"),
        ({"max_occurrences": "3"}, "max_occurrences must be 1 to 1000, got '3'"),
        ({"calendar": "DE"}, "calendar must be a BusinessCalendar, got 'DE'"),
        ({"on_closed": "next_business_day"}, "on_closed='next_business_day' needs a calendar="),
        (
            {"calendar": BusinessCalendar(), "on_closed": "later"},
            "on_closed must be one of skip, next_business_day, previous_business_day; got 'later'",
        ),
        ({"jitter": timedelta(0)}, r"more than 0 and up to 24 hours, got datetime.timedelta\(0\)"),
        ({"jitter": -SECOND}, "jitter must be a timedelta, more than 0"),
        ({"jitter": DAY + TICK}, "jitter must be a timedelta, more than 0 and up to 24 hours"),
        ({"jitter": 60}, "jitter must be a timedelta, more than 0 and up to 24 hours, got 60"),
        ({"seed": 5}, "seed must be text, got 5"),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize(
    "make",
    [lambda **terms: Cron("@daily", "UTC", **terms), lambda **terms: Every(DAY, **terms)],
    ids=["cron", "every"],
)
def test_terms_that_make_no_sense_are_refused_with_the_value(
    make: Any, terms: dict[str, Any], message: str
) -> None:
    with pytest.raises(DulyError, match=message):
        make(**terms)


def test_elapsed_time_is_not_moved_to_another_day() -> None:
    with pytest.raises(InvalidRule, match="on_closed must be skip for Every"):
        Every(DAY, calendar=BusinessCalendar(), on_closed="next_business_day")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cron("@daily", "UTC", until="2026-01-01T00:00"),  # type: ignore[call-arg]
        lambda: RRule("FREQ=DAILY", "2026-01-01T00:00", "UTC", jiter=HOUR),  # type: ignore[call-arg]
        lambda: Every(DAY, gap="skip"),  # type: ignore[call-arg]
        lambda: At("2026-01-01T00:00", "UTC", max_occurrences=1),  # type: ignore[call-arg]
        lambda: At("2026-01-01T00:00", "UTC", end="2027-01-01T00:00"),  # type: ignore[call-arg]
    ],
)
def test_an_argument_that_does_not_exist_is_an_ordinary_type_error(make: Any) -> None:
    with pytest.raises(TypeError, match=r"unexpected argument (until|jiter|gap|max_occ|end)"):
        make()


@pytest.mark.parametrize("jitter", [0, -1, 86_401, "60", True, float("nan"), 1e-9, [60]])
def test_jitter_that_json_says_is_a_number_of_seconds(jitter: Any) -> None:
    with pytest.raises(InvalidRule, match="jitter must be a number of seconds, more than 0"):
        rule_from_json({"v": 1, "kind": "every", "microseconds": 10**6, "jitter": jitter})


# --- JSON and words ---


def test_terms_are_json_without_those_that_say_nothing() -> None:
    rule = Cron(
        "@daily",
        "UTC",
        start="2026-01-01T00:00",
        end=utc("2027-01-01"),
        max_occurrences=5,
        calendar=BusinessCalendar("DE"),
        on_closed="next_business_day",
        jitter=timedelta(seconds=90.5),
        seed="x",
    )
    said = {
        "start": "2026-01-01T00:00:00",
        "end": "2027-01-01T00:00:00+00:00",
        "max_occurrences": 5,
        "calendar": {"country": "DE"},
        "on_closed": "next_business_day",
        "jitter": 90.5,
        "seed": "x",
    }

    assert json.loads(json.dumps(rule.terms.to_json())) == said
    assert Cron("@daily", "UTC").terms.to_json() == {}


def test_terms_are_told_in_words() -> None:
    rule = Cron(
        "@daily",
        "UTC",
        start="2026-01-01T00:00",
        end=utc("2027-01-01"),
        max_occurrences=5,
        calendar=BusinessCalendar("DE", "BY", closed=["2026-12-24"]),
        on_closed="next_business_day",
        jitter=90 * MINUTE,
    )

    assert rule.terms.describe() == (
        ", from 2026-01-01 00:00:00, until before 2027-01-01 00:00:00Z, 5 times at most, moved on "
        "to the business days of DE-BY without 1 closed, late by up to 1 hour and 30 minutes"
    )
    assert Every(DAY, max_occurrences=1).terms.describe() == ", once at most"
