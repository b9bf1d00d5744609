"""What is lost on the way is not done twice, and is not said to have failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from duly.client import Client, NewEvent, NotFound, Patience, ServiceUnreachable, Unavailable
from tests.client.scripted import Asked, Says, Scripted, scripted

ID = str(uuid4())
FAR = datetime(2099, 1, 1, tzinfo=UTC)
SCHEDULED = Says(
    201,
    {
        "event_id": ID,
        "scheduled_time": "2099-01-01T00:00:00+00:00",
        "timezone_context": {"execution_timezone": "UTC"},
        "status": "scheduled",
    },
)
EVENT = Says(
    200,
    {
        "id": ID,
        "event_id": ID,
        "type": "x",
        "service_id": "mine",
        "scheduled_time": None,
        "timezone_context": {},
        "status": "cancelled",
        "created_at": "2031-01-01T00:00:00+00:00",
        "updated_at": "2031-01-01T00:00:00+00:00",
        "from_a_newer_service": {"is": "passed over"},
    },
)
BORN = Says(
    201,
    {"occurrence_id": ID, "event_id": ID, "due_at": FAR.isoformat(), "status": "queued"},
)
TEMPLATE = Says(
    201,
    {
        "name": "visit",
        "service_id": "mine",
        "type": "x",
        "schedule": {"at": "$time"},
        "timezone_context": {},
        "on_tzdata_change": "keep_wall",
        "version": 1,
        "created_at": "2031-01-01T00:00:00+00:00",
        "updated_at": "2031-01-01T00:00:00+00:00",
    },
)
GONE = Says(404, {"title": "Not found", "detail": "nothing is to cancel"})
LOST = Says(breaks_off=True)
BUSY = Says(503, {"title": "Service unavailable"})
MANY = Says(429, {"title": "Too many"})


def client(server: Scripted) -> Client:
    patience = Patience(base=0, retries=3)
    return Client(server.url, service="mine", api_key="duly_k", retries=patience)


def keys(asked: list[Asked]) -> set[Any]:
    return {one.json()["id"] for one in asked}


def test_what_is_scheduled_has_one_key_however_often_it_is_tried() -> None:
    with scripted(LOST, BUSY, MANY, SCHEDULED) as server:
        client(server).schedule("x", FAR)

    assert len(server.asked) == 4
    assert len(keys(server.asked)) == 1


def test_two_calls_have_two_keys() -> None:
    with scripted(SCHEDULED) as server:
        for _ in range(2):
            client(server).schedule("x", FAR)

    assert len(keys(server.asked)) == 2


def test_a_key_that_is_given_is_the_key() -> None:
    with scripted(LOST, SCHEDULED) as server:
        client(server).schedule("x", FAR, key="appointment:42")

    assert keys(server.asked) == {"appointment:42"}


def test_each_of_many_keeps_its_key() -> None:
    line = f'{{"index": 0, "status": 201, "event_id": "{ID}"}}\n'.encode()
    with scripted(LOST, Says(raw=line * 3)) as server:
        list(client(server).schedule_many(NewEvent("x", FAR) for _ in range(3)))

    first, second = (one.body for one in server.asked)
    assert first == second
    assert first.count(b'"id":') == 3


def test_cancelling_again_what_an_earlier_attempt_cancelled_is_done() -> None:
    with scripted(LOST, GONE, EVENT) as server:
        assert client(server).cancel(ID).status == "cancelled"

    assert [one.method for one in server.asked] == ["DELETE", "DELETE", "GET"]


def test_cancelling_what_is_not_there_is_an_error() -> None:
    with scripted(GONE) as server, pytest.raises(NotFound, match="nothing is to cancel"):
        client(server).cancel(ID)

    assert len(server.asked) == 1


@pytest.mark.parametrize("lost", [LOST, BUSY])
def test_a_change_is_tried_again_under_its_key(lost: Says) -> None:
    with scripted(lost, BORN) as server:
        assert client(server).trigger(ID).status == "queued"

    first, second = (one.headers["Idempotency-Key"] for one in server.asked)
    assert first == second


@pytest.mark.parametrize("verb", ["trigger", "resume", "skip", "replay"])
def test_two_changes_have_two_keys(verb: str) -> None:
    with scripted(GONE) as server:
        for _ in range(2):
            with pytest.raises(NotFound):
                getattr(client(server), verb)(ID)

    assert len({one.headers["Idempotency-Key"] for one in server.asked}) == 2


def test_what_has_no_key_is_not_tried_again() -> None:
    with scripted(LOST) as server, pytest.raises(ServiceUnreachable):
        client(server).create_template("visit", "x", {"at": "$time"})
    with scripted(BUSY) as busy, pytest.raises(Unavailable):
        client(busy).create_template("visit", "x", {"at": "$time"})

    assert (len(server.asked), len(busy.asked)) == (1, 1)


def test_it_is_tried_again_where_it_is_certain_that_nothing_was_done() -> None:
    with scripted(MANY, TEMPLATE) as server:
        client(server).create_template("visit", "x", {"at": "$time"})

    assert len(server.asked) == 2


def test_ids_are_parts_of_a_path_whatever_stands_in_them() -> None:
    with scripted(EVENT) as server:
        client(server).get("../a/b?c=d#é")

    assert server.asked[0].path == "/api/events/..%2Fa%2Fb%3Fc%3Dd%23%C3%A9"


def test_a_civil_time_needs_a_zone_before_anything_is_sent() -> None:
    with scripted(SCHEDULED) as server, pytest.raises(ValueError, match="timezone='Europe/Berlin'"):
        client(server).schedule("x", datetime(2031, 1, 1))

    assert server.asked == []


def test_a_window_of_civil_times_is_refused() -> None:
    with scripted(EVENT) as server, pytest.raises(ValueError, match="start must be an aware"):
        next(client(server).upcoming(start=datetime(2031, 1, 1)))
