"""Each number is right, and leads to the rows that it counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from duly.civil.cron import Cron
from duly.dashboard import machinery as machines
from duly.dashboard.calendar import calendar
from duly.dashboard.coming import coming
from duly.dashboard.history import LAST_DAY, LAST_HOUR, history
from duly.dashboard.machinery import machinery
from duly.dashboard.numbers import numbers
from duly.models import Gate, GateEntry, Occurrence, QuotaUse
from duly.services import registry
from duly.store import spans
from duly.store.spans import Spans, born, load
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW, every_minute, stored_event
from tests.dashboard.html import Page
from tests.dashboard.state import DAY, HOUR, MINUTE, SECOND, engine, occurrence

MINUTES = Spans(NOW - 9 * MINUTE, MINUTE, 10)


def tiles(using: str) -> dict[str, str]:
    return {one.name: one.value for one in numbers(using, NOW).tiles}


def listed(client: Client, url: str) -> set[str]:
    """Give the ids in the list that a number leads to."""
    answer = client.get(url)
    assert answer.status_code == 200, url
    found = answer.context["found"]
    return {row.id for row in [*found.events, *found.occurrences]}


def test_what_is_due_late_running_and_dead_is_counted_and_listed(
    using: str, viewer: Client
) -> None:
    late = stored_event(using, NOW - 2 * MINUTE)
    due = stored_event(using, NOW - SECOND)
    stored_event(using, NOW + SECOND)
    retried = occurrence(using, NOW - 5 * MINUTE, "pending", wake_at=NOW - 2 * SECOND)
    running = occurrence(using, NOW - SECOND, "running", wake_at=NOW + 20 * SECOND)
    occurrence(using, NOW - SECOND, "queued", attempt=0, started_at=None)
    dead = [occurrence(using, NOW - HOUR, "dead") for _ in range(2)]
    occurrence(using, NOW - HOUR)

    page = Page(viewer.get("/duly/part/numbers/").content.decode())
    urls = {words.split()[0]: url for words, (url, *_) in page.links.items()}

    assert tiles(using) == {"due": "3", "late": "1", "running": "1", "dead": "2"}
    assert listed(viewer, urls["Due"]) == {str(one.pk) for one in (late, due, retried)}
    assert listed(viewer, urls["Late"]) == {str(late.pk)}
    assert listed(viewer, urls["Running"]) == {str(running.pk)}
    assert listed(viewer, urls["Dead"]) == {str(one.pk) for one in dead}


def test_counting_ends(using: str, monkeypatch: pytest.MonkeyPatch, viewer: Client) -> None:
    from duly.dashboard import words
    from duly.store import backlog

    assert words.count(10_000) == "10,000+"
    assert words.count(9_999) == "9,999"
    monkeypatch.setattr(backlog, "MOST_COUNTED", 2)
    for _ in range(5):
        stored_event(using, NOW)

    assert backlog.backlog(using, NOW).due == 2


def test_that_no_engine_is_alive_is_said_first(using: str, viewer: Client) -> None:
    assert "nothing fires" in viewer.get("/duly/part/numbers/").content.decode()
    engine(using)
    assert numbers(using, NOW).is_firing


@pytest.mark.also_partitioned
def test_what_was_born_is_counted_by_the_minute(using: str) -> None:
    for seconds in (1, 2, 3, 40):
        occurrence(using, NOW - MINUTE + seconds * SECOND, late=seconds * SECOND)
    occurrence(using, NOW - 3 * MINUTE, "dead", late=9 * SECOND)
    occurrence(using, NOW - 3 * MINUTE, "queued", started_at=None, attempt=0)
    occurrence(using, NOW - HOUR)

    found = born(using, MINUTES)

    assert [one.count for one in found] == [0] * 6 + [2, 0, 4, 0]
    assert [one.succeeded for one in found] == [0] * 8 + [4, 0]
    assert [one.dead for one in found] == [0] * 6 + [1, 0, 0, 0]
    assert found[8].late == (2.0, 40.0, 40.0)
    assert found[6].late == (9.0, 9.0, 9.0)
    assert found[7].late is None


def test_one_that_was_tried_again_is_as_late_as_it_was_born(using: str) -> None:
    at = NOW - 30 * SECOND
    occurrence(using, at, due_at=at - 5 * SECOND, attempt=3, started_at=NOW)
    occurrence(using, at, due_at=at + SECOND, attempt=2, started_at=NOW)

    assert born(using, MINUTES)[8].late == (0.0, 5.0, 5.0)


@pytest.mark.only_postgres
def test_of_a_crowd_a_part_of_each_quarter_is_looked_at(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MOST_OF_SLICE", 2)
    for second in range(60):
        occurrence(using, NOW - MINUTE + second * SECOND, late=second * SECOND)

    found = born(using, MINUTES)[8]

    assert (found.count, found.looked_at) == (60, 8)
    assert found.late == (16.0, 46.0, 46.0)


def test_each_bar_leads_to_its_rows(using: str, viewer: Client) -> None:
    inside = occurrence(using, NOW - 3 * MINUTE)
    occurrence(using, NOW - 5 * MINUTE)
    throughput, lateness = history(using, NOW, LAST_HOUR)

    urls = [row[1].url for row in throughput.rows]
    assert len(urls) == 2
    assert listed(viewer, urls[0]) == {str(inside.pk)}
    assert lateness.rows[0][-1].url == urls[0]
    assert len(throughput.bars) == 2


def test_the_last_day_goes_by_hours(using: str) -> None:
    occurrence(using, NOW - 3 * HOUR)
    throughput, _ = history(using, NOW, LAST_DAY)

    (row,) = throughput.rows
    assert [cell.text for cell in row] == ["2026-06-01 09:00:00", "1", "1", "0"]


def test_an_hour_without_anything_says_so(using: str, viewer: Client) -> None:
    assert "Nothing in this time." in viewer.get("/duly/part/hour/").content.decode()


def test_events_to_come_are_counted_in_spans(using: str) -> None:
    for seconds in (0, 59, 60, 200):
        stored_event(using, NOW + seconds * SECOND)

    assert load(using, Spans(NOW, MINUTE, 4)) == [2, 1, 0, 1]
    assert load(using, Spans(NOW, MINUTE, 2), most=1) == [1, 1]


def test_rules_are_followed_through_the_next_day(using: str, viewer: Client) -> None:
    once = stored_event(using, NOW + 30 * MINUTE)
    hourly = stored_event(using, NOW + HOUR, rule=Cron("0 * * * *", tz="UTC"))

    chart = coming(using, NOW)

    assert [row[1].text for row in chart.rows[:2]] == ["1", "1"]
    assert sum(int(row[2].text) for row in chart.rows) == 22
    assert listed(viewer, chart.rows[0][1].url) == {str(once.pk)}
    assert listed(viewer, chart.rows[1][1].url) == {str(hourly.pk)}
    assert "1 recurring one was followed further, which adds 22 firings" in chart.notes[0]


def test_a_firing_that_is_left_out_is_not_to_come(using: str) -> None:
    gone = (NOW + 2 * HOUR).isoformat()
    stored_event(using, NOW + HOUR, rule=Cron("0 * * * *", tz="UTC"), exceptions=[gone])

    assert sum(int(row[2].text) for row in coming(using, NOW).rows) == 21


def test_a_storm_shows_before_it_is_there(using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from duly.dashboard import coming as module

    monkeypatch.setattr(module, "LEAST_STORM", 5)
    for number in range(6):
        stored_event(using, NOW + 9 * HOUR + number * SECOND)

    chart = coming(using, NOW)

    assert chart.notes[0].startswith("Storm: 6 due from 2026-06-01 21:00:00 UTC")
    assert [bar.kind for bar in chart.bars] == ["storm"]


def test_the_calendar_marks_the_clock_change_of_berlin(using: str, viewer: Client) -> None:
    now = datetime(2027, 3, 1, 9, tzinfo=UTC)
    daily = stored_event(using, now + HOUR, rule=Cron("30 2 * * *", tz="Europe/Berlin"))
    stored_event(using, now + HOUR, rule=Cron("0 9 * * 1", tz="Europe/Paris"))
    found = calendar(using, now)
    days = {day.day.isoformat(): day for week in found.weeks for day in week}

    marked = [name for name, day in days.items() if day.changes]
    assert marked == ["2027-03-28"]
    (change,) = days["2027-03-28"].changes
    assert change.text == (
        "Europe/Berlin, Europe/Paris: clocks forward 01:00 on 2027-03-28 at 02:00"
    )
    assert days["2027-03-28"].count == "1"
    assert listed(viewer, days["2027-03-02"].url) == {str(daily.pk)}


def test_the_page_shows_the_mark(using: str, viewer: Client, clock: ManualClock) -> None:
    clock.move_to(datetime(2027, 3, 1, tzinfo=UTC))
    stored_event(
        using, datetime(2027, 3, 2, tzinfo=UTC), rule=Cron("0 9 * * *", tz="Europe/Berlin")
    )
    text = viewer.get("/duly/part/calendar/").content.decode()

    page = Page(text)
    assert text.count("⇄</span>") == 1
    assert "28 March" in " ".join(page.text.split())
    assert "Europe/Berlin: clocks forward 01:00 on 2027-03-28 at 02:00" in page.text


def test_weeks_begin_on_monday_and_have_seven_days(using: str) -> None:
    weeks = calendar(using, NOW + 3 * DAY).weeks

    assert {len(week) for week in weeks} == {7}
    assert weeks[0][0].day.weekday() == 0
    assert [day.is_over for day in weeks[0]] == [True] * 3 + [False] * 4
    assert len(weeks) == 13


def test_what_fires_very_often_is_counted_once_and_said(using: str) -> None:
    stored_event(using, NOW + MINUTE, rule=every_minute())
    found = calendar(using, NOW)

    assert found.weeks[0][0].count == "1"
    assert "1 that fire very often count with the next alone." in found.notes


def test_engines_are_shown_with_what_they_said(using: str, viewer: Client) -> None:
    alive = engine(using)
    engine(using, host="two", pid=2, beat_at=NOW - HOUR)
    held = occurrence(using, NOW, "queued", holder=alive.holder, wake_at=NOW + 20 * SECOND)
    found = machinery(using, NOW)

    one, two = found.engines
    assert (one.name, one.state, one.heard_of) == ("one, process 1", "alive", "2.0 s")
    assert (one.version, one.tzdata, one.offset) == ("1.2.3", "2026b", "+0.250 s")
    assert (one.busy, one.held) == ("3 of 16", "4")
    assert two.is_lost
    assert found.alive == 1
    assert listed(viewer, one.running_url) == {str(held.pk)}


def test_breakers_are_shown_open_ones_first_with_what_waits(using: str, viewer: Client) -> None:
    gates = Gate.objects.using(using)
    gates.create(name="service:a", updated_at=NOW)
    gates.create(name="key:default/x", updated_at=NOW)
    gates.create(
        name="service:b", status="open", in_row=5, probe_at=NOW + 30 * SECOND, updated_at=NOW
    )
    waits = occurrence(using, NOW, "pending", wake_at=NOW + DAY)
    runs = occurrence(using, NOW, "running")
    for row, state in ((waits, GateEntry.WAITING), (runs, GateEntry.UNDER_WAY)):
        GateEntry.objects.using(using).create(
            gate="service:b", occurrence_id=row.pk, attempt=1, state=state, rank=NOW
        )

    first, second = machinery(using, NOW).breakers

    assert (first.name, first.status, first.tried) == ("service:b", "open", "in 30.0 s")
    assert (first.waiting, first.under_way) == ("1", "1")
    assert second.name == "service:a"
    assert listed(viewer, first.waiting_url) == {str(waits.pk)}
    assert listed(viewer, first.under_way_url) == {str(runs.pk)}


def test_services_are_shown_against_their_quotas(using: str, viewer: Client, settings: Any) -> None:
    settings.DULY = settings.DULY | {
        "SERVICES": {
            "crm": {"in_flight": 4, "quota": {"requests": "50/s", "events": "10/s", "pending": 9}}
        }
    }
    registry.forget()
    in_half_a_second = int((NOW - machines._EPOCH) / timedelta(microseconds=1)) + 500_000
    QuotaUse.objects.using(using).create(name="requests:crm", full_at_us=in_half_a_second)
    QuotaUse.objects.using(using).create(name="events:crm", pending=9)
    mine = stored_event(using, NOW + DAY, service="crm")
    stored_event(using, NOW + DAY)

    (service,) = machinery(using, NOW).services
    told = {one.name: (one.told, one.is_full) for one in service.quotas}

    assert told == {
        "under way": ("0 of 4", False),
        "requests": ("25 of 50/s", False),
        "events": ("0 of 10/s", False),
        "pending": ("at most 9 of 9", True),
    }
    assert listed(viewer, service.events_url) == {str(mine.pk)}


@pytest.mark.parametrize(
    "query",
    [
        "coming/",
        "coming/?start=2027-03-28&end=2027-03-29",
        "born/?start=x&end=y",
        "born/?start=9999-12-31T23:59:59-12:00&end=0001-01-01T00:00:00%2B12:00",
        "held/?engine=me",
        "waiting/",
        "pending/?service=%00",
    ],
)
def test_a_list_that_cannot_be_read_says_why(viewer: Client, query: str) -> None:
    answer = viewer.get(f"/duly/rows/{query}")

    assert answer.status_code == 400
    assert b'class="error"' in answer.content


def test_a_list_is_cut_and_says_so(
    using: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from duly.dashboard import rows

    monkeypatch.setattr(rows, "MOST_SHOWN", 2)
    for _ in range(3):
        occurrence(using, NOW, "dead")

    assert len(listed(viewer, "/duly/rows/dead/")) == 2
    assert "there are more" in viewer.get("/duly/rows/dead/").content.decode()
    assert Occurrence.objects.using(using).count() == 3
