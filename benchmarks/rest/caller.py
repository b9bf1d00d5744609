"""One client in a process of its own: `python -m benchmarks.rest.caller KIND START OPTIONS`.

`single` schedules one event after the other by `duly.client` until its time is over, and prints
the seconds that each took; `plain` does so by `http.client`; `bulk` schedules so many, and prints
when it began and ended. All wait for START, so that the clients of a run begin together.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from duly.client import Client, NewEvent, Rejected
from duly.client.event_calls import BATCH

FAR = datetime(2090, 1, 1, 9)
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
    return _timed(lambda event: client.schedule("far", **event), start, options)


def _plain(start: float, options: dict[str, Any]) -> list[float]:
    """Do the same over one bare connection, so that little is measured but the service."""
    connection = HTTPConnection(urlsplit(os.environ["DULY_URL"]).netloc)
    connection.connect()
    headers = {
        "X-Service-Name": os.environ["DULY_SERVICE"],
        "X-API-Key": os.environ["DULY_KEY"],
        "Content-Type": "application/json",
    }

    def schedule(event: dict[str, Any]) -> None:
        body = json.dumps(NewEvent("far", **event).with_key().to_json())
        connection.request("POST", "/api/events/schedule", body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != HTTPStatus.CREATED:
            raise RuntimeError(f"{response.status}: {answer!r:.500}")

    return _timed(schedule, start, options)


def _timed(
    schedule: Callable[[dict[str, Any]], object], start: float, options: dict[str, Any]
) -> list[float]:
    _sleep_until(start)
    took = []
    number = 0
    while time.time() < start + options["seconds"]:
        event = _event(number)
        began = time.perf_counter()
        schedule(event)
        took.append(time.perf_counter() - began)
        number += 1
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
