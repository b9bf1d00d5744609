"""Whoever means harm is refused clearly and cheaply, and others are answered meanwhile."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.service_api.conftest import empty_database
from tests.service_api.http import Reply, ask, ask_json
from tests.service_api.running import Running, running

SCHEDULE = "/api/events/schedule"
MEGABYTE = 2**20
# Of one request that is refused; the machine of CI is slow, and a bomb takes minutes.
SOON_SECONDS = 3.0
GROWTH_BYTES = 64 * MEGABYTE


def new(**more: Any) -> dict[str, Any]:
    return {"type": "x", "scheduled_time": "2099-03-30T09:00:00Z"} | more


def post(service: Running, data: Any, path: str = SCHEDULE) -> Reply:
    return ask_json("POST", service.url + path, service.keys["mine"].headers(), data)


def post_raw(service: Running, body: bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    known = service.keys["mine"].headers() | {"Content-Type": "application/json"}
    return ask("POST", service.url + SCHEDULE, known | named, body)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def memory_bounded(service: Running) -> Iterator[None]:
    before = service.resident_bytes()
    yield
    assert service.resident_bytes() - before < GROWTH_BYTES


def test_ten_megabytes_are_refused_and_not_kept(service: Running) -> None:
    body = json.dumps(new(payload="x" * (10 * MEGABYTE))).encode()

    with memory_bounded(service):
        for _ in range(10):
            reply = post_raw(service, body)
            assert reply.status == 413
            assert reply.problem()["rule"]


def test_a_body_of_no_stated_length_is_bounded_as_well(service: Running) -> None:
    place = urlsplit(service.url)
    head = "".join(f"{k}: {v}\r\n" for k, v in service.keys["mine"].headers().items())
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    with (
        memory_bounded(service),
        socket.create_connection((place.hostname, place.port), timeout=20) as connection,
    ):
        connection.sendall(
            f"POST {SCHEDULE} HTTP/1.1\r\nHost: {place.netloc}\r\n{head}"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        try:
            for _ in range(40 * MEGABYTE // 0x10000):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # It hung up, as it may.
        try:
            answer = connection.recv(4096)
        except ConnectionResetError:
            answer = b""

    assert answer == b"" or answer.split()[1] == b"413"
    assert post(service, new()).status in (200, 201)


def test_a_compressed_body_is_not_unpacked(service: Running) -> None:
    bomb = gzip.compress(b" " * (100 * MEGABYTE))

    with memory_bounded(service), within(SOON_SECONDS):
        reply = post_raw(service, bomb, Content_Encoding="gzip")

    assert reply.status == 415
    assert reply.problem()["field"] == "Content-Encoding"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 10_000 + b"]" * 10_000, id="arrays"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="objects"),
        pytest.param(b"[" * 200_000, id="unclosed"),
        pytest.param(
            b'{"type":"x","scheduled_time":"2099-01-01T00:00:00Z","payload":'
            + b"[" * 10_000
            + b"]" * 10_000
            + b"}",
            id="in the payload",
        ),
    ],
)
def test_ten_thousand_levels_are_too_many(service: Running, body: bytes) -> None:
    with within(SOON_SECONDS):
        reply = post_raw(service, body)

    assert reply.status in (400, 413, 422)
    assert "deep" in reply.problem()["detail"] or "JSON" in reply.problem()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"payload": NaN}', id="NaN"),
        pytest.param(b'{"payload": 1e999}', id="infinite"),
        pytest.param(b'{"payload": ' + b"9" * 100_000 + b"}", id="100,000 digits"),
        pytest.param(b'{"type": "a", "type": "b"}', id="a name twice"),
        pytest.param(b'{"type": "\\u0000"}', id="NUL"),
        pytest.param(b'{"type": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"type": "\xff"}', id="no UTF-8"),
        pytest.param('{"type": "a"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
    ],
)
def test_json_that_two_readers_take_differently_is_refused(service: Running, body: bytes) -> None:
    reply = post_raw(service, body)

    assert reply.status in (400, 422)
    assert reply.problem()["detail"]


EVERY = ";".join(
    f"BY{unit}={','.join(map(str, range(most)))}"
    for unit, most in (("HOUR", 24), ("MINUTE", 60), ("SECOND", 60))
)
BOMBS: dict[str, dict[str, Any]] = {
    "every second, 30 February": {"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"},
    "every minute, 31 February": {"rrule": "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=31"},
    "no interval": {"rrule": "FREQ=SECONDLY;INTERVAL=0"},
    "a billion seconds": {"rrule": "FREQ=SECONDLY;COUNT=1000000000"},
    "a billion firings long ago": {
        "rrule": "FREQ=SECONDLY;COUNT=1000000000",
        "start": "1900-01-01T00:00:00",
    },
    "an interval of ages": {"rrule": "FREQ=SECONDLY;INTERVAL=999999999999999"},
    "every BY there is": {"rrule": f"FREQ=YEARLY;{EVERY};BYSETPOS=-1;BYMONTHDAY=31;BYMONTH=2"},
    "24 x 60 x 60, then nothing": {"rrule": f"FREQ=DAILY;{EVERY};BYMONTH=2;BYMONTHDAY=30"},
    "a second that is never": {"rrule": "FREQ=SECONDLY;BYWEEKNO=53;BYYEARDAY=1;BYDAY=MO"},
    "cron, 30 February": {"cron": "0 0 30 2 *"},
    "cron, 31 of April": {"cron": "0 0 31 4,6,9,11 *"},
    "a text of a megabyte": {"rrule": "FREQ=DAILY;BYHOUR=" + ",".join(["1"] * 400_000)},
    "ten thousand parts": {"rrule": "FREQ=DAILY" + ";BYHOUR=1" * 10_000},
    "a million exceptions": {
        "rrule": "FREQ=DAILY",
        "start": "2030-01-01T00:00:00",
        "exdates": ["2031-01-01T00:00:00"] * 20_000,
    },
    "every microsecond": {"every": 0.000001},
    "every nothing": {"every": 0},
    "every never": {"every": 1e300},
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_rule_that_would_never_end_is_refused_or_is_cheap(service: Running, name: str) -> None:
    rule = {"timezone": "UTC"} | BOMBS[name]

    with memory_bounded(service), within(SOON_SECONDS):
        reply = post(service, {"type": "bomb", "schedule": rule})

    assert reply.status in (200, 201, 400, 413, 422), reply
    if reply.status >= 400:
        assert reply.problem()["detail"]
    else:
        ask(
            "DELETE",
            f"{service.url}/api/events/{reply.json()['event_id']}",
            service.keys["mine"].headers(),
        )


def test_what_comes_up_of_a_rule_of_every_second_is_bounded(service: Running) -> None:
    made = post(service, {"type": "bomb", "schedule": {"every": 1, "timezone": "UTC"}}).json()
    window = "start_time=2030-01-01T00:00:00Z&end_time=2090-01-01T00:00:00Z&limit=1000"
    headers = service.keys["mine"].headers()

    with memory_bounded(service), within(SOON_SECONDS):
        reply = ask("GET", f"{service.url}/api/events/upcoming?{window}", headers)

    assert reply.status == 200
    assert len(reply.json()) <= 1000
    ask("DELETE", f"{service.url}/api/events/{made['event_id']}", headers)


HOSTILE = {
    "SQL": "'; DROP TABLE duly_scheduledevent; --",
    "more SQL": "\" OR ''='",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a template": "{{ 7*7 }}{% debug %}${7*7}{0.__class__}%(x)s",
    "right to left": "abc\u202egnp.exe",
    "combining": "Z" + "\u0351" * 50,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "wide": "\U0010ffff",
    "line breaks": "a\r\nX-Injected: 1\r\n\r\nb",
    "a path": "../../../../etc/passwd",
    "a shell": "$(reboot)`reboot`;|&",
    "a null": "null",
    "a formula": "=cmd|' /C calc'!A0",
}
FIELDS = ("type", "id", "entity_id", "entity_type", "service_id", "payload")
ZONES = ("execution_timezone", "user_timezone", "resource_timezone")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_text_is_stored_as_it_is_or_refused(service: Running, text: str) -> None:
    headers = service.keys["mine"].headers()
    for field in FIELDS:
        more = {"entity_id": "1"} if field == "entity_type" else {}
        reply = post(
            service, new(**more, **{field: {text: [text]} if field == "payload" else text})
        )

        assert reply.status in (201, 400, 403, 422), (field, reply)
        assert "x-injected" not in {name.lower() for name in reply.headers}
        if reply.status != 201:
            assert reply.problem()["field"] == field
            continue
        event = reply.json()["event_id"]
        stored = ask("GET", f"{service.url}/api/events/{event}", headers)
        expected = {text: [text]} if field == "payload" else text
        assert stored.json()[field] == expected, field
        assert stored.headers["content-type"].startswith("application/json")
        assert stored.headers["x-content-type-options"] == "nosniff"
        assert ask("DELETE", f"{service.url}/api/events/{event}", headers).status == 200
    for zone in ZONES:
        reply = post(service, new(timezone_context={zone: text}))
        assert reply.status == 422, (zone, reply)
        assert reply.problem()["field"] == f"timezone_context.{zone}"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_query_is_text_and_nothing_else(service: Running, text: str) -> None:
    headers = service.keys["mine"].headers()
    for name in ("entity_id", "service_id", "start_time", "timezone", "limit", "cursor", text):
        url = f"{service.url}/api/events/upcoming?{quote(name)}={quote(text)}"
        reply = ask("GET", url, headers)

        assert reply.status in (200, 403, 422), (name, reply)
        assert "html" not in reply.headers["content-type"]
    reply = ask("GET", f"{service.url}/api/events/{quote(text + text, safe='')}", headers)
    assert reply.status in (400, 404), reply
    assert "html" not in reply.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/<script>alert(1)</script>",
        "/<script>alert(1)</script>",
        "/admin/login/?next=<script>alert(1)</script>",
        "/api/docs?x=<script>alert(1)</script>",
    ],
)
def test_no_page_says_a_script_that_it_was_asked_for(service: Running, path: str) -> None:
    reply = ask("GET", service.url + path)

    assert reply.status < 500
    assert (
        b"<script>alert(1)" not in reply.body or b"json" in reply.headers["content-type"].encode()
    )


class Neighbour:
    """Somebody else, who asks again and again meanwhile."""

    def __init__(self, service: Running) -> None:
        self._url = f"{service.url}/api/events/upcoming?limit=1"
        self._headers = service.keys["theirs"].headers()
        self._stop = threading.Event()
        self.seconds: list[float] = []
        self.failed: list[Any] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _ask(self) -> None:
        while not self._stop.wait(0.05):
            began = time.monotonic()
            try:
                reply = ask("GET", self._url, self._headers)
            except Exception as error:
                self.failed.append(error)
                continue
            self.seconds.append(time.monotonic() - began)
            if reply.status != 200:
                self.failed.append(reply)


def test_a_thousand_bad_keys_a_second_are_told_to_wait(tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(empty_database("postgres", tmp_path))
        service = stack.enter_context(running(url, tmp_path, DULY_BAD_KEYS="100/m"))
        ask("GET", f"{service.url}/api/events/upcoming", service.keys["theirs"].headers())
        with (
            memory_bounded(service),
            Neighbour(service) as neighbour,
            ThreadPoolExecutor(16) as pool,
        ):
            replies = list(pool.map(lambda n: _guess(service, n), range(2000)))

    statuses = [reply.status for reply in replies]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 300
    refused = next(reply for reply in replies if reply.status == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.problem()["detail"]
    # Whoever has shown a good key is let in, from the same address as well.
    assert neighbour.failed == []
    assert neighbour.seconds


def _guess(service: Running, number: int) -> Reply:
    headers = {"X-Service-Name": "mine", "X-API-Key": f"duly_{number:010x}_{number:064x}"}
    return ask("GET", f"{service.url}/api/events/upcoming", headers)


def test_who_dribbles_a_request_keeps_nobody_waiting(service: Running) -> None:
    """Slowloris: 200 connections, each of which sends a byte now and then."""
    place = urlsplit(service.url)
    with ExitStack() as stack, memory_bounded(service), Neighbour(service) as neighbour:
        slow = [
            stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=5))
            for _ in range(200)
        ]
        for index, connection in enumerate(slow):
            kind = "POST" if index % 2 else "GET"
            connection.sendall(f"{kind} {SCHEDULE} HTTP/1.1\r\nHost: {place.netloc}\r\n".encode())
            if index % 2:
                connection.sendall(b"Content-Length: 100000\r\n\r\n{")
        for _ in range(10):
            for connection in slow:
                try:
                    connection.sendall(b"x")
                except OSError:
                    continue  # It hung up, as it may.
            time.sleep(0.2)

    assert neighbour.failed == []
    assert len(neighbour.seconds) >= 10
    assert sorted(neighbour.seconds)[int(0.9 * len(neighbour.seconds))] < 1.0
