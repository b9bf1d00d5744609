"""One client in a process of its own: `python -m benchmarks.rest.caller KIND START OPTIONS`.

`single` schedules one event after the other by `duly.client` until its time is over, and prints
the seconds that each took; `plain` does so by a bare socket, with requests that it has written
before; `bulk` schedules so many, and prints when it began and ended. All wait for START, so that
the clients of a run begin together.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from duly.client import Client, NewEvent, Rejected
from duly.client.event_calls import BATCH

FAR = datetime(2090, 1, 1, 9)
# No client of the service is answered more often.
MOST_PER_SECOND = 1000
_CREATED = b"HTTP/1.1 201 "
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata")


def main() -> None:
    """Do what the command line says."""
    kind, start, options = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
    if kind == "plain":
        print(json.dumps(_plain(start, options)))
        return
    client = Client(
        os.environ["DULY_URL"], service=os.environ["DULY_SERVICE"], api_key=os.environ["DULY_KEY"]
    )
    with client:
        found = {"single": _single, "bulk": _bulk}[kind](client, start, options)
    print(json.dumps(found))


def _single(client: Client, start: float, options: dict[str, Any]) -> list[float]:
    # So that no connection is made within what is measured.
    client.validate("Europe/Berlin", "Asia/Tokyo")
    numbers = count()
    return _timed(lambda: client.schedule("far", **_event(next(numbers))), start, options)


def _plain(start: float, options: dict[str, Any]) -> list[float]:
    """Do the same over one bare connection, so that little is measured but the service."""
    url = urlsplit(os.environ["DULY_URL"])
    assert url.hostname is not None
    # As fast as it goes they would otherwise take the service's processors to write JSON.
    events = (_event(number) for number in range(int(MOST_PER_SECOND * options["seconds"])))
    requests = iter([_request(url.netloc, NewEvent("far", **event)) for event in events])
    with socket.create_connection((url.hostname, url.port)) as connection:
        return _timed(lambda: _exchange(connection, next(requests)), start, options)


def _request(host: str, event: NewEvent) -> bytes:
    body = json.dumps(event.with_key().to_json())
    lines = [
        "POST /api/events/schedule HTTP/1.1",
        f"Host: {host}",
        f"X-Service-Name: {os.environ['DULY_SERVICE']}",
        f"X-API-Key: {os.environ['DULY_KEY']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", body]).encode()


def _exchange(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    head, end, body = b"", b"", b""
    while not end:
        head, end, body = _more(connection, head).partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not head.startswith(_CREATED) or length is None:
        raise RuntimeError(f"{head!r:.500} {body!r:.500}")
    while len(body) < int(length[1]):
        body = _more(connection, body)


def _more(connection: socket.socket, before: bytes) -> bytes:
    came = connection.recv(65536)
    if not came:
        raise RuntimeError(f"the service ended the connection after {before!r:.500}")
    return before + came


def _timed(schedule: Callable[[], object], start: float, options: dict[str, Any]) -> list[float]:
    _sleep_until(start)
    took = []
    while time.time() < start + options["seconds"]:
        began = time.perf_counter()
        schedule()
        took.append(time.perf_counter() - began)
    return took


def _bulk(client: Client, start: float, options: dict[str, Any]) -> list[float]:
    """Schedule `count` events, `pace` in a second; 0: as fast as it goes."""
    _sleep_until(start)
    began = time.time()
    for outcome in client.schedule_many(_events(began, options), batch=options["batch"]):
        if isinstance(outcome, Rejected):
            raise outcome.error
    return [began, time.time()]


def _events(began: float, options: dict[str, Any]) -> Iterator[NewEvent]:
    pace = options["pace"]
    for number in range(options["count"]):
        if pace and number % options["batch"] == 0:
            _sleep_until(began + number / pace)
        yield NewEvent("far", **_event(number))


def _event(number: int) -> dict[str, Any]:
    return {
        "when": FAR + timedelta(minutes=number % 500_000),
        "timezone": ZONES[number % len(ZONES)],
        "entity": ("patient", number % 10_000),
        "payload": {"number": number, "channel": "sms"},
    }


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


def due_from(start: float, seconds: float, rate: float) -> Iterator[NewEvent]:
    """Give events that come due evenly, to be noted by `benchmarks.rest.fired`."""
    for number in range(int(seconds * rate)):
        yield NewEvent("fired", datetime.fromtimestamp(start + number / rate, UTC))


def most_at_once(count: int, pace: float) -> int:
    """Give the size of a batch: where a pace is kept, a tenth of a second's."""
    return max(1, min(BATCH, int(pace / 10))) if pace else min(BATCH, count)


if __name__ == "__main__":
    main()
