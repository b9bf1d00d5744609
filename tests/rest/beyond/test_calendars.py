"""Calendar feeds: what others read in them, and who may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
import pytest
import recurring_ical_events  # type: ignore[import-untyped]
from django.core import signing
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

import duly
from duly import At, Cron
from duly.rest import calendars
from duly.rest.icalendar_text import LONGEST_LINE, Entry, calendar, escaped, folded
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW
from tests.rest.beyond.conftest import Asker, Become, questions

DAY = timedelta(days=1)


def link(ask: Asker, **fields: Any) -> str:
    """Make a link; gives its path."""
    about = {"entity_type": "appointment", "entity_id": "42"}
    made = ask.post("calendars", about | fields, status=201)
    return str(urlsplit(made["url"]).path)


def fetch(path: str, status: int = 200, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Client().get(path, headers=given)
    assert response.status_code == status, response.content
    return response


def read(path: str) -> Any:
    return icalendar.Calendar.from_ical(fetch(path).content)


def schedule(rule: Any, event_type: str = "appointment_reminder", **fields: Any) -> Any:
    return duly.schedule_event(event_type, rule, **({"entity": ("appointment", "42")} | fields))


def test_another_program_reads_what_comes_up(using: str, ask: Asker) -> None:
    event = schedule(At("2026-10-25T02:30", "Europe/Berlin", fold="second"))
    schedule(At("2026-07-01T09:00", "UTC"), entity=("appointment", "43"))

    (found,) = read(link(ask)).walk("VEVENT")

    # The second pass of an overlap, which civil time in a calendar cannot name.
    assert found.start == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert found["SUMMARY"] == "Appointment reminder"
    assert "2026-10-25 02:30 in Europe/Berlin" in found["DESCRIPTION"]
    assert found["UID"] == f"{event.id}-20261025T013000000000Z@duly"
    assert found["DTSTAMP"].dt == NOW


def test_a_recurring_event_stands_there_once_for_each_firing(using: str, ask: Asker) -> None:
    schedule(Cron("0 9 * * *", "Europe/Berlin"))

    read_back = read(link(ask))

    within = recurring_ical_events.of(read_back).between(NOW, NOW + 7 * DAY)
    assert [one.start.hour for one in within] == [7] * 7
    assert len({one["UID"] for one in read_back.walk("VEVENT")}) == 366


def test_a_feed_is_bounded(using: str, ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "MOST_ENTRIES", 3)
    schedule(Cron("* * * * *", "UTC"))

    assert len(read(link(ask)).walk("VEVENT")) == 3


def test_an_empty_calendar_is_a_valid_one(using: str, ask: Asker) -> None:
    found = read(link(ask))

    assert found.walk("VEVENT") == []
    assert found.subcomponents


def test_what_has_not_changed_is_not_sent_again(using: str, ask: Asker) -> None:
    schedule(At("2026-07-01T09:00", "UTC"))
    path = link(ask)
    first = fetch(path)

    assert fetch(path, status=304, If_None_Match=first["ETag"]).content == b""
    assert fetch(path, status=304, If_None_Match=f'"x", W/{first["ETag"]}')
    assert first["Cache-Control"] == "private, max-age=900"

    schedule(At("2026-07-02T09:00", "UTC"))
    assert fetch(path, If_None_Match=first["ETag"])["ETag"] != first["ETag"]


def test_a_feed_shows_its_service_only(using: str, ask: Asker, other: Asker) -> None:
    schedule(At("2026-07-01T09:00", "UTC"), service="other")

    assert read(link(ask)).walk("VEVENT") == []
    assert len(read(link(other)).walk("VEVENT")) == 1
    ask.post("calendars", {"entity_id": "42", "service_id": "other"}, status=403)


def test_payloads_are_not_shown(using: str, ask: Asker) -> None:
    schedule(At("2026-07-01T09:00", "UTC"), payload={"diagnosis": "s3cret"})

    assert b"s3cret" not in fetch(link(ask)).content


def test_an_expired_link_is_not_there(using: str, ask: Asker, manual: ManualClock) -> None:
    path = link(ask, expires_in_days=1)
    manual.move(DAY - timedelta(seconds=1))
    fetch(path)

    manual.move(timedelta(seconds=1))

    assert fetch(path, status=404).json()["title"] == "Not found"


def test_a_link_that_was_changed_is_not_there(using: str, ask: Asker) -> None:
    path = link(ask)
    forged = signing.dumps(["default", "appointment", "42", 2**40, 0, 0], salt="guessed")

    fetch(path.replace("calendars/", "calendars/x"), status=404)
    fetch(f"/api/calendars/{forged}.ics", status=404)
    fetch("/api/calendars/nothing.ics", status=404)


def test_the_links_to_one_calendar_can_be_revoked(using: str, ask: Asker) -> None:
    old, another = link(ask), link(ask, entity_id="43")

    ask("POST", "calendars/revoke", {"entity_type": "appointment", "entity_id": "42"})

    fetch(old, status=404)
    fetch(another)
    fetch(link(ask))


def test_all_links_of_a_service_can_be_revoked(using: str, ask: Asker, other: Asker) -> None:
    old, others = link(ask), link(other)

    assert ask("POST", "calendars/revoke", {}).status_code == 204

    fetch(old, status=404)
    fetch(others)


def test_revoking_needs_its_scope(using: str, become: Become) -> None:
    assert become("default", "read")("POST", "calendars/revoke", {}).status_code == 403


def test_a_feed_asks_a_fixed_number_of_questions(using: str, ask: Asker) -> None:
    path = link(ask)

    def asked() -> int:
        with CaptureQueriesContext(connections[using]) as queries:
            fetch(path)
        return questions(queries)

    before = asked()
    for day in range(1, 20):
        schedule(At(f"2026-07-{day:02}T09:00", "UTC"))

    assert asked() == before


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a, b; c\\d", "a\\, b\\; c\\\\d"),
        ("two\r\nlines\rand\nmore", "two\\nlines\\nand\\nmore"),
        ("bell\x07 and\ttab", "bell andtab"),
        ("BEGIN:VEVENT", "BEGIN:VEVENT"),
    ],
)
def test_text_cannot_end_its_value(text: str, written: str) -> None:
    assert escaped(text) == written


@pytest.mark.parametrize("text", ["x" * 500, "ü" * 200, "🕰" * 100, "short", "x" * 74 + "ü"])
def test_long_lines_are_folded_between_characters(text: str) -> None:
    parts = list(folded(f"SUMMARY:{text}"))

    assert all(len(part.encode()) <= LONGEST_LINE for part in parts)
    assert parts[0] + "".join(part[1:] for part in parts[1:]) == f"SUMMARY:{text}"
    assert all(part.startswith(" ") for part in parts[1:])


def test_what_is_written_is_read_back_as_it_was() -> None:
    summary = "Ünïcode, semicolons; back\\slashes\nand lines " * 5
    entry = Entry(
        uid="1@duly",
        starts_at=NOW,
        changed_at=NOW,
        summary=summary,
        description="",
        category="a,b",
    )

    text = calendar("Anna's, calendar", [entry], timedelta(minutes=15))
    found = icalendar.Calendar.from_ical(text)

    assert found.walk("VEVENT")[0]["SUMMARY"] == summary
    assert "\r\nNAME:Anna's\\, calendar\r\n" in text
    assert text.endswith("END:VCALENDAR\r\n")
