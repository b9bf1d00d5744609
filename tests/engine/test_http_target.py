"""What the engine makes of a delivery to an HTTP target, told in the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import duly
from duly import At, Retry
from duly.engine.targets.http import deliver
from duly.models import Occurrence
from duly.policy.http_target import HttpTarget
from tests.engine.conftest import Signals
from tests.targets.conftest import SECRET, Serve, target_at
from tests.targets.conftest import serve as serve
from tests.targets.server import Answering, Received, reply

Start = Callable[..., Any]
Handle = Callable[..., None]
QUICK = Retry(attempts=3, base=timedelta(milliseconds=10), cap=timedelta(milliseconds=10))


def fire(using: str, signals: Signals, attempts: int) -> Occurrence:
    duly.schedule_event("tell_crm", At.instant(datetime.now(UTC)))
    signals.wait("occurrences.recorded", attempts)
    return Occurrence.objects.using(using).get(event_type="tell_crm")


def test_an_address_that_is_denied_is_a_dead_letter_at_once_that_says_why(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    target = HttpTarget.from_mapping({"url": "https://0x7f.1/", "secret": SECRET})
    handle("tell_crm", partial(deliver, target), retry=QUICK)
    start_engine()

    occurrence = fire(using, signals, 1)

    assert (occurrence.status, occurrence.attempt) == ("dead", 1)
    assert occurrence.error.startswith(
        "AddressRefused: nothing was sent to https://0x7f.1: 0x7f.1 is 127.0.0.1, which is loopback"
    )


def test_a_target_in_trouble_is_tried_again_under_the_same_webhook_id(
    using: str, start_engine: Start, handle: Handle, signals: Signals, serve: Serve
) -> None:
    def second_time(answering: Answering, received: Received) -> None:
        good = received.headers["duly-attempt"] == "2"
        reply(200 if good else 500)(answering, received)

    server = serve(second_time)
    handle("tell_crm", partial(deliver, target_at(server)), retry=QUICK)
    start_engine()

    occurrence = fire(using, signals, 2)

    assert (occurrence.status, occurrence.attempt) == ("succeeded", 2)
    assert len({received.headers["webhook-id"] for received in server.received}) == 1


def test_a_target_that_asks_for_a_wait_gets_it(
    using: str, start_engine: Start, handle: Handle, signals: Signals, serve: Serve
) -> None:
    server = serve(reply(429, retry_after="7200"))
    handle("tell_crm", partial(deliver, target_at(server)), retry=QUICK)
    start_engine()

    occurrence = fire(using, signals, 1)

    assert occurrence.status == "pending"
    assert occurrence.wake_at is not None
    wait = occurrence.wake_at - occurrence.due_at
    assert timedelta(hours=2) <= wait < timedelta(hours=2, minutes=1)
    assert "answered 429 Too Many Requests" in occurrence.error


def test_a_request_that_is_refused_is_a_dead_letter_without_its_path(
    using: str, start_engine: Start, handle: Handle, signals: Signals, serve: Serve
) -> None:
    server = serve(reply(422, b'{"error": "no such customer"}'))
    url = f"http://127.0.0.1:{server.port}/canary"
    handle("tell_crm", partial(deliver, target_at(server, url=url)), retry=QUICK)
    start_engine()

    occurrence = fire(using, signals, 1)

    assert (occurrence.status, occurrence.attempt) == ("dead", 1)
    assert "no such customer" in occurrence.error
    assert "canary" not in occurrence.error
    assert SECRET not in occurrence.error
