"""What is sent to an HTTP target, and what its answers make of the attempt."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from standardwebhooks import Webhook

import duly
from duly.engine.targets.deadline import Deadline
from duly.engine.targets.guarded_pool import GuardedPool
from duly.engine.targets.http import deliver
from duly.errors import ConfigurationError, RequestRefused, TargetFailed
from duly.registry import Occurrence
from duly.testing.occurrences import occurrence
from duly.webhooks import new_secret, verify
from tests.targets.conftest import SECRET, Answers, Serve, target_at
from tests.targets.server import Answering, Received, reply

DUE_AT = datetime(2031, 3, 29, 22, 0, 0, 123456, tzinfo=UTC)
SYDNEY = ZoneInfo("Australia/Sydney")
# The longest that a delivery may take beyond its timeout, on a busy machine.
SLACK = 5.0


def reminder(**fields: Any) -> Occurrence:
    known: dict[str, Any] = {
        "event_id": UUID(int=7),
        "service": "crm",
        "key": "appointment:42",
        "entity_type": "appointment",
        "entity_id": "42",
        "due_at": DUE_AT,
        "local": DUE_AT.astimezone(SYDNEY),
        "wall_time": datetime(2031, 3, 30, 9, 0, 0, 123456),
        "user_timezone": "Australia/Sydney",
        "resource_timezone": "Europe/Berlin",
    }
    return occurrence("reminder", {"text": "Grüße"}, **(known | fields))


def test_an_occurrence_arrives_with_its_due_instant_local_time_attempt_and_key(
    serve: Serve,
) -> None:
    server = serve(reply(204))

    deliver(target_at(server, url=f"http://127.0.0.1:{server.port}/hook?a=1"), reminder(attempt=3))

    (received,) = server.received
    assert received.line == "POST /hook?a=1 HTTP/1.1"
    assert json.loads(received.body) == {
        "id": str(UUID(int=1)),
        "event_id": str(UUID(int=7)),
        "event_type": "reminder",
        "service": "crm",
        "key": "appointment:42",
        "entity_type": "appointment",
        "entity_id": "42",
        "payload": {"text": "Grüße"},
        "due_at": "2031-03-29T22:00:00.123456+00:00",
        "local_time": "2031-03-30T09:00:00.123456+11:00",
        "timezone": "Australia/Sydney",
        "wall_time": "2031-03-30T09:00:00.123456",
        "user_timezone": "Australia/Sydney",
        "resource_timezone": "Europe/Berlin",
        "attempt": 3,
        "idempotency_key": f"{UUID(int=7)}:2031-03-29T22:00:00.123456+00:00",
    }
    headers = received.headers
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"duly/{duly.__version__}"
    assert headers["idempotency-key"] == reminder().idempotency_key
    assert headers["duly-attempt"] == "3"
    assert headers["duly-due-at"] == "2031-03-29T22:00:00.123456+00:00"
    assert headers["duly-local-time"] == "2031-03-30T09:00:00.123456+11:00"
    assert "traceparent" not in headers


def test_every_attempt_has_the_same_webhook_id_and_another_occurrence_another(
    serve: Serve,
) -> None:
    server = serve(reply(200))
    target = target_at(server)

    for each in (
        reminder(attempt=1),
        reminder(attempt=2),
        reminder(due_at=DUE_AT + timedelta(microseconds=1)),
    ):
        deliver(target, each)

    first, second, other = [received.headers["webhook-id"] for received in server.received]
    assert first == second == f"{UUID(int=7)}_1932588000123456"
    assert "." not in first
    assert other != first


def test_an_implementation_that_is_not_ours_verifies_what_is_sent(serve: Serve) -> None:
    server = serve(reply(200))

    deliver(target_at(server), reminder())

    (received,) = server.received
    assert Webhook(SECRET).verify(received.body, received.headers)["service"] == "crm"
    assert verify(received.body, received.headers, SECRET)["service"] == "crm"


def test_during_a_rotation_each_secret_signs(serve: Serve) -> None:
    server = serve(reply(200))
    new, old = new_secret(), new_secret()

    deliver(target_at(server, secret=[new, old]), reminder())

    (received,) = server.received
    assert len(received.headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        assert Webhook(secret).verify(received.body, received.headers)


def test_secrets_and_headers_come_from_the_environment_as_it_is_at_the_moment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply(200))
    target = target_at(
        server,
        secret={"env": "CRM_SECRET"},
        headers={"Authorization": {"env": "CRM_TOKEN"}, "X-Region": "eu"},
    )
    with pytest.raises(ConfigurationError, match="'CRM_SECRET', which is not set"):
        deliver(target, reminder())
    monkeypatch.setenv("CRM_SECRET", SECRET)
    monkeypatch.setenv("CRM_TOKEN", "Bearer t\r\nX-Evil: 1")
    with pytest.raises(ConfigurationError, match="'Authorization' must be printable"):
        deliver(target, reminder())
    monkeypatch.setenv("CRM_TOKEN", "Bearer token")

    deliver(target, reminder())

    (received,) = server.received
    assert received.headers["authorization"] == "Bearer token"
    assert received.headers["x-region"] == "eu"
    assert Webhook(SECRET).verify(received.body, received.headers)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_an_answer_that_may_change_is_worth_another_attempt(serve: Serve, status: int) -> None:
    server = serve(reply(status, b"not now"))

    with pytest.raises(TargetFailed, match=f"answered {status}.*: not now"):
        deliver(target_at(server), reminder())


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 409, 410, 413, 422])
def test_an_answer_that_will_not_change_is_final(serve: Serve, status: int) -> None:
    server = serve(reply(status))

    with pytest.raises(RequestRefused, match=f"answered {status}"):
        deliver(target_at(server), reminder())


def test_a_target_says_when_it_wants_to_be_tried_again(serve: Serve) -> None:
    server = serve(reply(429, retry_after="120"))

    with pytest.raises(TargetFailed) as caught:
        deliver(target_at(server), reminder())

    assert caught.value.after == timedelta(seconds=120)


def test_a_redirect_is_not_followed_and_says_where_it_led(serve: Serve) -> None:
    other = serve(reply(200))
    location = f"http://127.0.0.1:{other.port}/secrets"
    server = serve(reply(307, location=location))

    with pytest.raises(RequestRefused, match=f"redirect to {location}.*not followed"):
        deliver(target_at(server), reminder())

    assert (len(server.received), other.accepted) == (1, 0)


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, TargetFailed), (503, TargetFailed), (404, RequestRefused)],
)
def test_an_answer_broken_off_in_its_body_is_none_where_it_said_yes(
    serve: Serve, status: int, error: type[Exception]
) -> None:
    def break_off(answering: Answering, received: Received) -> None:
        answering.send(f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\nhalf".encode())
        answering.reset()

    server = serve(break_off)

    with pytest.raises(error):
        deliver(target_at(server), reminder())


def test_a_body_that_ends_too_early_is_noticed(serve: Serve) -> None:
    def stop_early(answering: Answering, received: Received) -> None:
        answering.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf")
        raise OSError

    server = serve(stop_early)

    with pytest.raises(TargetFailed, match="no whole answer"):
        deliver(target_at(server), reminder())


@pytest.mark.parametrize("status", [200, 500])
def test_of_an_endless_body_only_the_beginning_is_read(serve: Serve, status: int) -> None:
    def flood(answering: Answering, received: Received) -> None:
        answering.send(f"HTTP/1.1 {status} X\r\n\r\n".encode())
        while True:
            answering.send(b"x" * 65_536)

    server = serve(flood)
    target = target_at(server, max_response_bytes=1_000)
    began = time.monotonic()

    if status == 200:
        deliver(target, reminder())
    else:
        with pytest.raises(TargetFailed) as caught:
            deliver(target, reminder())
        assert len(str(caught.value)) < 400

    assert time.monotonic() - began < SLACK
    deliver_again = serve(reply(200))
    deliver(target_at(deliver_again), reminder())  # Nothing is left of it.


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="status-line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="chunk-size"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, id="interim"),
    ],
)
def test_a_drip_ends_by_the_timeout(serve: Serve, beginning: bytes) -> None:
    rest = b"1" * 9_000 if b"Transfer" not in beginning else b"0" * 9_000

    def drip(answering: Answering, received: Received) -> None:
        answering.send(beginning)
        answering.drip(rest)

    server = serve(drip)
    began = time.monotonic()

    with pytest.raises(TargetFailed, match=r"within 0\.3 s"):
        deliver(target_at(server, timeout=0.3), reminder())

    assert time.monotonic() - began < 0.3 + SLACK


def test_a_target_that_reads_and_says_nothing_ends_by_the_timeout(serve: Serve) -> None:
    server = serve(lambda answering, received: answering.wait())

    with pytest.raises(TargetFailed, match=r"within 0\.2 s"):
        deliver(target_at(server, timeout=0.2), reminder())


def test_a_refused_connection_is_worth_another_attempt(serve: Serve) -> None:
    server = serve(reply(200))
    target = target_at(server)
    server.close()

    with pytest.raises(TargetFailed, match="ConnectionRefusedError"):
        deliver(target, reminder())


def test_a_name_that_is_not_found_is_worth_another_attempt(serve: Serve) -> None:
    server = serve(reply(200))

    with pytest.raises(TargetFailed, match="gaierror"):
        deliver(target_at(server, url="http://nowhere.invalid/"), reminder())


def test_what_is_not_http_is_told(serve: Serve) -> None:
    server = serve(lambda answering, received: answering.send(b"SSH-2.0-OpenSSH\x1b[2J\r\n"))

    with pytest.raises(TargetFailed, match="BadStatusLine"):
        deliver(target_at(server), reminder())


def test_headers_without_an_end_are_given_up(serve: Serve) -> None:
    def flood(answering: Answering, received: Received) -> None:
        answering.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            answering.send(b"X-Header: 1\r\n")

    server = serve(flood)

    with pytest.raises(TargetFailed, match="more than 100 headers"):
        deliver(target_at(server), reminder())


def test_the_next_address_is_tried_where_one_refuses(serve: Serve, names: Answers) -> None:
    server = serve(reply(200))
    names("crm.test", ["127.0.0.9", "127.0.0.1"])

    deliver(target_at(server, url=f"http://crm.test:{server.port}/"), reminder())

    assert server.received[0].headers["host"] == f"crm.test:{server.port}"


def test_an_error_shows_no_secret_even_where_the_answer_repeats_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", "Bearer canary-in-a-header")

    def echo(answering: Answering, received: Received) -> None:
        said = f"{received.headers['authorization']} and canary-in-a-header and {SECRET}"
        reply(500, said.encode())(answering, received)

    server = serve(echo)
    url = f"http://127.0.0.1:{server.port}/canary-in-the-path?token=canary"

    with pytest.raises(TargetFailed) as caught:
        deliver(
            target_at(server, url=url, headers={"Authorization": {"env": "CRM_TOKEN"}}), reminder()
        )

    assert "canary" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "*** and *** and ***" in str(caught.value)


def test_neither_logs_nor_variables_of_an_error_report_show_a_secret(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def malformed(answering: Answering, received: Received) -> None:
        answering.send(b"HTTP/1.1 500 X\r\nno colon\r\n\r\n")
        raise OSError

    caplog.set_level("DEBUG")
    server = serve(malformed)
    url = f"http://127.0.0.1:{server.port}/canary"
    target = target_at(server, url=url, headers={"Authorization": "Bearer canary"})

    with pytest.raises(TargetFailed) as caught:
        deliver(target, reminder())

    modules = [entry.frame.f_globals["__name__"] for entry in caught.traceback]
    assert "duly.engine.targets.http" in modules
    for entry, module in zip(caught.traceback, modules, strict=True):
        if module.startswith("duly."):
            assert "canary" not in repr(entry.frame.f_locals)
            assert SECRET not in repr(entry.frame.f_locals)
    assert "Failed to parse headers" in caplog.text
    assert "canary" not in caplog.text
    assert server.received[0].line == "POST /canary HTTP/1.1"


def test_an_error_holds_no_control_characters(serve: Serve) -> None:
    server = serve(reply(500, "one\r\n\x1b[31mtwo\x00\u202ethree\xff".encode("latin-1", "ignore")))

    with pytest.raises(TargetFailed) as caught:
        deliver(target_at(server), reminder())

    assert str(caught.value).isprintable()
    assert "one [31mtwo" in str(caught.value)


def test_a_compressed_answer_is_not_unpacked(serve: Serve) -> None:
    server = serve(reply(200, b"not gzip at all", content_encoding="gzip"))

    deliver(target_at(server), reminder())

    assert server.received[0].headers["accept-encoding"] == "identity"


def test_proxies_of_the_environment_play_no_part(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(reply(200)), serve(reply(200))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

    deliver(target_at(server), reminder())

    assert (len(server.received), proxy.accepted) == (1, 0)


def test_a_connection_is_used_again_and_carries_no_cookies(serve: Serve) -> None:
    server = serve(reply(200, b"fine", set_cookie="session=1"))
    target = target_at(server)

    for _ in range(3):
        deliver(target, reminder())

    assert [received.connection for received in server.received] == [1, 1, 1]
    assert all("cookie" not in received.headers for received in server.received)


def test_a_connection_that_the_target_closed_is_not_used_again(serve: Serve) -> None:
    def answer_and_leave(answering: Answering, received: Received) -> None:
        reply(200)(answering, received)
        raise OSError

    server = serve(answer_and_leave)
    target = target_at(server)

    for _ in range(3):
        deliver(target, reminder())
        server._threads[-1].join(5)

    assert [received.connection for received in server.received] == [1, 2, 3]


def test_only_so_many_connections_are_kept_and_only_for_so_long(serve: Serve) -> None:
    server = serve(reply(200))
    pool = GuardedPool(most_idle=2, keep_seconds=4.0)
    target = target_at(server)
    kept = [pool.take(target, 0.0) for _ in range(3)]
    for now, connection in enumerate(kept, 1):
        connection.start_by(Deadline(10.0, time.monotonic))
        pool.give_back(connection, now)

    assert [connection.is_closed for connection in kept] == [True, False, False]
    assert pool.take(target, 6.5) is kept[2]
    assert kept[1].is_closed  # It was too old.
    kept[2].close()


def test_a_target_of_other_rules_gets_a_connection_of_its_own(serve: Serve) -> None:
    server = serve(reply(200))

    deliver(target_at(server), reminder())
    deliver(target_at(server, allow=["127.0.0.1/32"]), reminder())

    assert [received.connection for received in server.received] == [1, 2]


def test_threads_deliver_side_by_side_and_never_share_a_connection(serve: Serve) -> None:
    def answer_who_asked(answering: Answering, received: Received) -> None:
        entity = json.loads(received.body)["entity_id"]
        status = 500 if entity.endswith("odd") else 200
        reply(status, entity.encode())(answering, received)

    server = serve(answer_who_asked)
    target = target_at(server)
    entities = [f"{number}-{'odd' if number % 2 else 'even'}" for number in range(60)]

    def send(entity: str) -> str:
        try:
            deliver(target, reminder(entity_id=entity))
        except TargetFailed as error:
            return str(error).rpartition(": ")[2]
        return ""

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, entities))

    assert answers == [entity if entity.endswith("odd") else "" for entity in entities]
    assert server.accepted < len(entities)


def test_without_urllib3_the_extra_is_named() -> None:
    program = "import sys; sys.modules['urllib3'] = None; import duly.engine.targets.http"

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert "ConfigurationError: an HTTP target needs urllib3" in ended.stderr
    assert "duly[http]" in ended.stderr
