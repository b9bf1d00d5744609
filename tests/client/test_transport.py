"""Requests reach the service once in effect: tried again as is wise, and with the key alone."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly.client.credentials import Credentials
from duly.client.errors import (
    Conflict,
    Forbidden,
    NotFound,
    QuotaExceeded,
    Refused,
    ServiceUnreachable,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from duly.client.patience import Patience, asked_for
from duly.client.transport import Options, Request, Transport
from duly.testing.processes import free_port
from tests.client.scripted import Says, scripted

KEY = "duly_k3y-that-nobody-must-see"
WHO = Credentials(service="billing", api_key=KEY)
LOOK = Request(method="GET", path="/api/events/upcoming")
FINE = Says(body={"fine": True})


def transport(url: str, slept: list[float] | None = None, **options: Any) -> Transport:
    waits = [] if slept is None else slept
    return Transport(url, WHO, Options(**options), sleep=waits.append, dice=lambda: 0.5)


def test_it_says_who_it_is() -> None:
    with scripted(FINE) as server:
        transport(server.url).send(LOOK)
        token = Transport(server.url, Credentials(token=lambda: "a.b.c"), Options())
        token.send(LOOK)

    by_key, by_token = (asked.headers for asked in server.asked)
    assert (by_key["X-Service-Name"], by_key["X-API-Key"]) == ("billing", KEY)
    assert by_token["Authorization"] == "Bearer a.b.c"
    assert "X-API-Key" not in by_token


def test_connections_are_kept_open() -> None:
    with scripted(FINE) as server:
        client = transport(server.url)
        for _ in range(5):
            client.send(LOOK)

    assert len({asked.connection for asked in server.asked}) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_waited_for(status: int) -> None:
    slept: list[float] = []
    with scripted(Says(status), Says(status), FINE) as server:
        answer = transport(server.url, slept).send(LOOK)

    assert answer.json() == {"fine": True}
    assert slept == [0.05, 0.1]


def test_a_connection_that_breaks_is_made_again() -> None:
    with scripted(Says(breaks_off=True), FINE) as server:
        assert transport(server.url).send(LOOK).status == 200

    assert len(server.asked) == 2


def test_retry_after_is_the_least_that_is_waited() -> None:
    slept: list[float] = []
    with scripted(Says(429, headers={"Retry-After": "7"}), FINE) as server:
        transport(server.url, slept).send(LOOK)

    assert slept == [7.05]


def test_a_long_retry_after_is_the_callers_to_wait_for() -> None:
    slept: list[float] = []
    refused = Says(429, {"title": "Too Many Requests", "detail": "a day"}, {"Retry-After": "86400"})
    with scripted(refused) as server, pytest.raises(QuotaExceeded, match="a day") as caught:
        transport(server.url, slept).send(LOOK)

    assert caught.value.after == timedelta(days=1)
    assert slept == []


def test_it_gives_up_after_so_many() -> None:
    with scripted(Says(503)) as server, pytest.raises(Unavailable, match="503"):
        transport(server.url, patience=Patience(retries=2)).send(LOOK)

    assert len(server.asked) == 3


def test_nobody_there_is_told_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    slept: list[float] = []

    with pytest.raises(ServiceUnreachable, match=r"GET http://127.0.0.1:\d+/api/events/upcoming"):
        transport(url, slept).send(LOOK)

    assert slept == [0.05, 0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (500, Unavailable),
        (405, UnexpectedAnswer),
    ],
)
def test_a_refusal_is_an_error_and_is_not_tried_again(status: int, error: type[Exception]) -> None:
    body = {"title": "No", "detail": "such is life", "field": "a.b", "value": 3, "rule": "be 4"}
    with scripted(Says(status, body)) as server, pytest.raises(error, match="No: such") as caught:
        transport(server.url).send(LOOK)

    problem = caught.value.problem  # type: ignore[attr-defined]
    assert (problem.field, problem.value, problem.rule) == ("a.b", 3, "be 4")
    assert problem.body == body
    assert len(server.asked) == 1


def test_a_proxys_page_is_told_in_short() -> None:
    page = b"<html>" + b"nothing here " * 100
    with scripted(Says(404, raw=page)) as server, pytest.raises(NotFound, match="nothing") as error:
        transport(server.url).send(LOOK)

    assert len(str(error.value)) < 300


def test_an_answer_that_is_not_json_is_no_answer_of_the_services() -> None:
    with scripted(Says(raw=b"<html>")) as server, pytest.raises(UnexpectedAnswer, match="URL"):
        transport(server.url).send(LOOK).json()


def test_redirects_are_not_followed_with_a_key_in_hand() -> None:
    moved = Says(302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    with scripted(moved) as server, pytest.raises(UnexpectedAnswer, match="elsewhere"):
        transport(server.url).send(LOOK)

    assert len(server.asked) == 1


def test_the_path_of_the_url_comes_before_each_path() -> None:
    with scripted(FINE) as server:
        transport(f"{server.url}/duly/").send(LOOK)

    assert server.asked[0].path == "/duly/api/events/upcoming"


def test_a_key_is_in_no_log_and_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(Says(401, {"title": "Unauthorized"})) as server:
        client = transport(server.url)
        with pytest.raises(Unauthorized) as error:
            client.send(LOOK)

    told = [caplog.text, str(error.value), repr(error.value), repr(client), repr(WHO)]
    assert caplog.records
    assert not any(KEY in text for text in told)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "neither"),
        ({"api_key": "k", "token": "t"}, "both"),
        ({"api_key": "k"}, "service="),
        ({"api_key": "k\nX-Service-Name: crm", "service": "billing"}, "copied whole"),
        ({"api_key": "k", "service": "billing\r\n"}, "printable"),
    ],
)
def test_credentials_that_cannot_work_are_refused_at_once(
    arguments: dict[str, str], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as error:
        Credentials(**arguments)

    assert "X-Service-Name" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["events.example", "ftp://events.example", "https://", "https://events.example?x=1"]
)
def test_a_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="url must"):
        transport(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="url must") as error:
        transport("https://me:hunter2@events.example")

    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("attempt", "asked", "wait"),
    [
        (1, None, 0.05),
        (3, None, 0.2),
        (2000, None, None),
        (4, 30.0, 30.4),
        (1, 30.1, None),
        (5, None, None),
    ],
)
def test_waits_double_up_to_a_cap(attempt: int, asked: float | None, wait: float | None) -> None:
    found = Patience(retries=4).wait(attempt, asked, 0.5)

    assert found == (None if wait is None else pytest.approx(wait))


def test_no_wait_of_its_own_is_longer_than_the_cap() -> None:
    assert Patience(retries=9999).wait(9000, None, 0.999) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.25", 0.25),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        (None, None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert asked_for(header, datetime(2026, 10, 21, 7, 27, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("bad", [{"retries": -1}, {"retries": True}, {"cap": -1}, {"base": "1"}])
def test_patience_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Patience(**bad)
