"""One client in a process of its own: `python -m benchmarks.rest.caller KIND START OPTIONS`.

`single` schedules one event after the other until its time is over, and prints the seconds that
each took; `bulk` schedules so many, and prints when it began and ended. Both wait for START, so
that all clients of a run begin together.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from duly.client import Client, NewEvent, Rejected
from duly.client.event_calls import BATCH

FAR = datetime(2090, 1, 1, 9)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata")


def main() -> None:
    """Do what the command line says."""
    kind, start, options = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
    client = Client(
        os.environ["DULY_URL"], service=os.environ["DULY_SERVICE"], api_key=os.environ["DULY_KEY"]
    )
    with client:
        found = {"single": _single, "bulk": _bulk}[kind](client, start, options)
    print(json.dumps(found))


def _single(client: Client, start: float, options: dict[str, Any]) -> list[float]:
    # So that no connection is made within what is measured.
    client.validate("Europe/Berlin", "Asia/Tokyo")
    _sleep_until(start)
    took = []
    number = 0
    while time.time() < start + options["seconds"]:
        began = time.perf_counter()
        client.schedule("far", **_event(number))
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
