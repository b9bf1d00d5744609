"""Many events at once: an answer for each, whatever stands beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from duly import operations
from duly.models import LedgerEntry, ScheduledEvent
from duly.rest import bulk
from tests.rest.conftest import Api
from tests.rest.test_refusals import is_problem

Sent = Callable[..., list[Any]]


def lines(answer: Any) -> list[Any]:
    assert answer.status_code == 200, b"".join(answer)
    return [json.loads(line) for line in b"".join(answer).splitlines()]


@pytest.fixture
def send(api: Api) -> Sent:
    """Send items as lines; gives the answers. What is no text already is written as JSON."""

    def send(*items: Any) -> list[Any]:
        texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in items]
        return lines(api("POST", "events/bulk", b"\n".join(texts)))

    return send


def test_each_line_is_answered_in_its_place(send: Sent, using: str, reminder: Any) -> None:
    answers = send(
        reminder,
        b"",
        reminder | {"id": "a"},
        b"{not json",
        reminder | {"type": "a b"},
        reminder | {"payload": "x" * 70_000},
        reminder | {"id": "a"},
        reminder | {"id": "a", "payload": 2},
        b"[]",
        reminder | {"service_id": "billing"},
        reminder | {"recurrence": {"frequency": "daily", "until": "2031-01-01"}},
        reminder,
    )

    statuses = [201, 201, 400, 422, 422, 200, 409, 422, 403, 422, 201]
    assert [one["status"] for one in answers] == statuses
    assert [one["index"] for one in answers] == list(range(11))
    stored = {str(id_) for id_ in ScheduledEvent.objects.using(using).values_list("id", flat=True)}
    assert {one["event_id"] for one in answers if one["status"] == 201} == stored
    assert answers[5]["event_id"] == answers[1]["event_id"]
    assert [one["problem"]["field"] for one in answers if one["status"] == 422] == [
        "type",
        "payload",
        "body",
        "recurrence",
    ]
    assert answers[6]["problem"]["value"] == "a"
    actors = LedgerEntry.objects.using(using).filter(fact="scheduled").values_list("actor")
    assert len(actors) == 3
    assert all(actor.startswith("key:clinic/") for (actor,) in actors)


def test_a_list_is_answered_by_a_list(api: Api, using: str, reminder: Any) -> None:
    answer = api("POST", "events/bulk", [reminder, {}, reminder])
    nothing = api("POST", "events/bulk", [])

    assert answer["Content-Type"] == "application/json"
    assert [one["status"] for one in json.loads(b"".join(answer))] == [201, 422, 201]
    assert json.loads(b"".join(nothing)) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_chunks_do_not_show(
    api: Api, send: Sent, using: str, reminder: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_ITEMS", size)
    items = [reminder | {"id": str(n)} for n in range(7)]
    items[3] = {"type": "a"}

    answers = send(*items)
    again = api("POST", "events/bulk", items)

    assert [one["status"] for one in answers] == [201, 201, 201, 422, 201, 201, 201]
    assert [one["index"] for one in answers] == list(range(7))
    assert [one["status"] for one in json.loads(b"".join(again))] == [200] * 3 + [422] + [200] * 3
    assert ScheduledEvent.objects.using(using).count() == 6


def test_a_line_that_is_too_long_hinders_no_other(
    send: Sent, using: str, settings: Any, reminder: Any
) -> None:
    settings.DULY = settings.DULY | {"REST_BODY_MAX_BYTES": 1000}
    long = reminder | {"payload": "x" * 200_000}

    answers = send(reminder, long, reminder, long)

    assert [one["status"] for one in answers] == [201, 413, 201, 413]


def test_what_holds_no_item_is_refused(api: Api, settings: Any, reminder: Any) -> None:
    is_problem(api("POST", "events/bulk"), 400)
    is_problem(api("POST", "events/bulk", b" \n\n "), 400)
    is_problem(api("POST", "events/bulk", b"[1, 2"), 400)
    is_problem(api("POST", "events/bulk", b"\x1f\x8b", Content_Encoding="gzip"), 415)
    settings.DULY = settings.DULY | {"REST_BODY_MAX_BYTES": 100}
    is_problem(api("POST", "events/bulk", [reminder] * 100), 413)


def test_items_may_say_what_becomes_of_a_known_id(send: Sent, reminder: Any) -> None:
    send(reminder | {"id": "k"})
    other = reminder | {"id": "k", "payload": 2}

    answers = send(
        other,
        other | {"on_conflict": "keep"},
        other | {"on_conflict": "replace"},
        other | {"on_conflict": "raise"},
        other,
    )

    assert [one["status"] for one in answers] == [409, 200, 200, 409, 200]


def test_what_was_stored_stays_where_the_database_goes_away(
    api: Api, send: Sent, using: str, reminder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, calls = operations.schedule_each, []

    def failing(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise OperationalError("gone")
        return schedule(*args, **options)

    monkeypatch.setattr(bulk, "CHUNK_ITEMS", 2)
    monkeypatch.setattr(bulk, "schedule_each", failing)

    answers = send(*[reminder] * 6)

    assert [one["status"] for one in answers] == [201, 201, 503, 503, 503, 503]
    assert len(calls) == 2
    assert ScheduledEvent.objects.using(using).count() == 2
    is_problem(api("POST", "events/bulk", [reminder]), 503)


def test_a_quota_holds_for_each_chunk(
    api: Api, send: Sent, settings: Any, reminder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_ITEMS", 2)
    settings.DULY = settings.DULY | {"SERVICES": {"clinic": {"quota": {"pending": 3}}}}

    answers = send(*[reminder] * 4)

    assert [one["status"] for one in answers] == [201, 201, 429, 429]
