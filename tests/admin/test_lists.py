"""What lists find, how they go on, and how often they ask the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

import duly
from duly.admin import searches
from duly.ids import new_id
from duly.models import Gate, ScheduledEvent
from tests.admin.pages import list_of, page_of, text_of
from tests.admin.rows import dead_occurrence, occurrence
from tests.builders import NOW, stored_event


def _shown(client: Client, name: str, query: str = "") -> str:
    """Give the rows of a list as text."""
    page = client.get(list_of(name, query)).content.decode()
    return page.split('id="result_list"')[1].split("</table>")[0]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", {"a", "b", "c"}),
        ("q=a", {"a"}),
        ("q=visit:4", {"b"}),
        ("entity=visit:4", {"b"}),
        ("entity=visit", set()),
        ("type=report", {"c"}),
        ("service=crm", {"b"}),
        ("zone=Europe/Berlin", {"c"}),
        ("status=paused", {"b"}),
        ("status=scheduled", {"a", "c"}),
        ("due=day", {"a"}),
        ("start=2026-06-02T12:00", {"c"}),
        ("start=2026-06-01T12:00&end=2026-06-01T12:01&type=reminder", {"a"}),
        ("q=nobody", set()),
    ],
)
def test_events_are_found_by_what_the_url_says(
    admin: Client, using: str, query: str, keys: set[str]
) -> None:
    stored_event(using, key="a")
    stored_event(
        using,
        key="b",
        service="crm",
        status="paused",
        next_at=None,
        next_wall_time=None,
        entity_type="visit",
        entity_id="4",
    )
    later = NOW + timedelta(days=2)
    stored_event(using, later, key="c", event_type="report", execution_timezone="Europe/Berlin")

    shown = _shown(admin, "scheduledevent", query)

    assert {key for key in "abc" if f"<td>{key}</td>" in shown} == keys


def test_an_event_is_found_by_its_id(admin: Client, using: str) -> None:
    event = stored_event(using, key="a")
    stored_event(using, key="b")

    shown = _shown(admin, "scheduledevent", f"q={event.pk}")

    assert "<td>a</td>" in shown
    assert "<td>b</td>" not in shown


def test_what_is_asked_stays_in_the_fields_and_an_error_stands_beside_them(
    admin: Client, using: str
) -> None:
    stored_event(using)

    page = admin.get(list_of("scheduledevent", "type=reminder&start=soon")).content.decode()

    assert 'value="reminder"' in page
    assert "a time must be like 2026-10-25T00:00" in page


@pytest.mark.parametrize("query", ["", "status=scheduled", "service=default"])
def test_pages_go_on_where_the_one_before_ended(
    admin: Client, using: str, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(searches.page_of, "__defaults__", (None, 2))
    for number in range(5):
        # Of two, the due instants are the same.
        stored_event(using, NOW + timedelta(minutes=number // 2), key=f"k{number}")

    seen: list[str] = []
    address = list_of("scheduledevent", query)
    for _ in range(4):
        page = admin.get(address).content.decode()
        seen += [f"k{number}" for number in range(5) if f"<td>k{number}</td>" in page]
        if 'rel="next"' not in page:
            break
        following = page.split('rel="next" href="?')[1].split('"')[0].replace("&amp;", "&")
        address = list_of("scheduledevent", following)

    assert sorted(seen) == [f"k{number}" for number in range(5)]


def test_a_look_is_bounded_and_says_so(
    admin: Client, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "LOOKED_AT", 3)
    stored_event(using, key="rare", event_type="rare", id=new_id(NOW - timedelta(days=1)))
    for _ in range(5):
        stored_event(using)

    first = admin.get(list_of("scheduledevent", "type=rare"))

    assert "None among the 3 rows looked at here" in text_of(first)
    following = first.content.decode().split('rel="next" href="?')[1].split('"')[0]
    second = admin.get(list_of("scheduledevent", following.replace("&amp;", "&")))
    assert "<td>rare</td>" in second.content.decode()


def test_a_place_that_is_none_is_said_and_the_first_page_shown(admin: Client, using: str) -> None:
    stored_event(using, key="a")

    page = admin.get(list_of("scheduledevent", "after=nowhere"))

    assert "is no place in this list" in text_of(page)
    assert "<td>a</td>" in page.content.decode()


def test_occurrences_are_found_by_status_event_entity_and_time(admin: Client, using: str) -> None:
    about = stored_event(using, entity_type="visit", entity_id="4", key="k")
    occurrence(using, about, event_type="waits")
    dead_occurrence(using, about, event_type="died", due_at=NOW)
    occurrence(
        using,
        event_type="over",
        status="succeeded",
        wake_at=None,
        finished_at=NOW,
        id=new_id(NOW - timedelta(days=3)),
    )

    def found(query: str) -> set[str]:
        shown = _shown(admin, "occurrence", query)
        return {name for name in ("waits", "died", "over") if f"{name} …" in shown}

    assert found("") == {"waits", "died", "over"}
    assert found("status=pending") == {"waits"}
    assert found("status=dead") == {"died"}
    assert found("status=succeeded") == {"over"}
    assert found("entity=visit:4") == found("q=k") == {"waits", "died"}
    assert found(f"event={about.pk}") == found(f"q={about.pk}") == {"waits", "died"}
    assert found("born=day") == {"waits", "died"}
    assert found("end=2026-05-30T00:00") == {"over"}


def test_the_dead_are_grouped_by_what_they_died_of(admin: Client, using: str) -> None:
    event = stored_event(using)
    for number in range(3):
        dead_occurrence(using, event, due_at=NOW - timedelta(minutes=number))
    dead_occurrence(using, event, error="KeyError: 'x'", due_at=NOW - timedelta(hours=1))

    page = admin.get(list_of("deadletter")).content.decode()
    groups = page.split('id="groups"')[1].split("</table>")[0]

    assert ">3</a>" in groups
    query = groups.split('href="?')[1].split('"')[0].replace("&amp;", "&")
    assert _shown(admin, "deadletter", query).count("reminder …") == 3


def test_the_ledger_is_found_by_event_fact_actor_and_time(admin: Client, using: str) -> None:
    event = duly.schedule_event("report", duly.Cron("0 9 * * *", "UTC"), actor="bob")
    duly.pause_event(event.pk, actor="ann")
    duly.schedule_event("other", duly.Cron("0 9 * * *", "UTC"), actor="bob")

    def found(query: str) -> int:
        return _shown(admin, "ledgerentry", query).count("<tr><td>")

    assert found("") == 3
    assert found(f"event={event.pk}") == 2
    assert found("fact=paused") == found("actor=ann") == 1
    assert found(f"occurrence={uuid4()}") == 0
    assert found("at=hour") == 3
    assert found("end=2026-05-01T00:00") == 0


def _of_duly(queries: CaptureQueriesContext) -> int:
    """Count what was asked of duly's tables; the services are looked up every few seconds."""
    asked = [query["sql"] for query in queries.captured_queries]
    return sum('"duly_' in sql and '"duly_service"' not in sql for sql in asked)


# Login, session and user are on the default database.
QUERIES = {
    "scheduledevent": 2,
    "occurrence": 2,
    "deadletter": 3,
    "gate": 2,
    "saga": 2,
    "ledgerentry": 2,
}


@pytest.mark.parametrize(("name", "most"), QUERIES.items())
def test_a_list_asks_the_same_however_many_rows_it_shows(
    admin: Client, using: str, name: str, most: int
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connections[using]) as queries:
            assert admin.get(list_of(name)).status_code == 200
        return _of_duly(queries)

    few = asked()
    event = stored_event(using)
    for number in range(30):
        dead_occurrence(using, event, due_at=NOW - timedelta(minutes=number))
        stored_event(using, entity_type="visit", entity_id=str(number))
        Gate.objects.using(using).create(name=f"type:{number}", updated_at=NOW)
    duly.pause_event(event.pk)

    assert asked() == few <= most


def test_the_page_of_an_event_asks_the_same_however_much_has_happened(
    admin: Client, using: str
) -> None:
    about: dict[str, Any] = {"entity_type": "visit", "entity_id": "4"}
    event = stored_event(using, **about)
    stored_event(using, **about)

    def asked() -> int:
        with CaptureQueriesContext(connections[using]) as queries:
            assert admin.get(page_of(event)).status_code == 200
        return _of_duly(queries)

    dead_occurrence(using, event, due_at=NOW - timedelta(days=1))
    few = asked()
    for number in range(8):
        other = stored_event(using, **about)
        for minutes in range(15):
            dead_occurrence(using, other, due_at=NOW - timedelta(minutes=minutes + 20 * number))

    # The event, its payload, its last firings, three for the timeline, and the ledger.
    assert asked() == few <= 7


def test_no_list_reads_a_payload(admin: Client, using: str) -> None:
    event = stored_event(using)
    dead_occurrence(using, event)

    for name in ("scheduledevent", "occurrence", "deadletter"):
        with CaptureQueriesContext(connections[using]) as queries:
            admin.get(list_of(name))
        assert not [one for one in queries.captured_queries if "payload" in one["sql"]]


def test_no_list_counts_its_table(admin: Client, using: str) -> None:
    stored_event(using)

    for name in QUERIES:
        with CaptureQueriesContext(connections[using]) as queries:
            admin.get(list_of(name, "service=default&type=reminder"))
        assert not [one for one in queries.captured_queries if "COUNT(" in one["sql"].upper()]
    assert ScheduledEvent.objects.using(using).count() == 1
