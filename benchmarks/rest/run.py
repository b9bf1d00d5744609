"""The three measurements: one by one, in bulk, and how late others are meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.rest.caller import due_from, most_at_once
from benchmarks.rest.served import SERVICE, Served, Where, analyze, rows, served
from duly.client import Client

# Clients take so long to start, and what is due to be scheduled.
LEAD_SECONDS = 6.0
DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is like; times are seconds."""

    clients: int
    """That schedule one event after the other, at once."""
    client: Literal["plain", "duly"]
    """By which they do: a bare socket, or `duly.client`, which shares the processors as well."""
    seconds: float
    """For how long they do."""
    bulk: int
    """Events that are scheduled in bulk."""
    bulk_clients: int
    rate: float
    """Events that come due in a second, while others are scheduled."""
    firing: float
    """For how long they come due."""
    spread: bool
    """Whether the bulk is spread over that time; else it goes as fast as it can."""
    engine: Where


@dataclass(frozen=True, slots=True)
class Single:
    """One by one."""

    seconds: list[float]
    """That each took."""
    per_second: float

    def milliseconds(self, share: float) -> float:
        """Give a percentile."""
        return 1000 * percentile(self.seconds, share)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of what came due."""

    seconds: list[float]
    expected: int
    bulk_per_second: float
    """Scheduled meanwhile; 0: nothing was."""

    def milliseconds(self, share: float) -> float:
        """Give a percentile."""
        return 1000 * percentile(self.seconds, share)


def single(service: Served, options: Options) -> Single:
    """Let clients schedule one by one."""
    kind = "single" if options.client == "duly" else "plain"
    found = _call(service, kind, options.clients, {"seconds": options.seconds})
    took = [seconds for one in found for seconds in one]
    return Single(took, len(took) / options.seconds)


def bulk(service: Served, options: Options) -> float:
    """Let clients schedule in bulk; gives events a second."""
    ((before,),) = rows(service.database_url, _STORED)
    found = _call(service, "bulk", options.bulk_clients, _bulk_options(options, pace=0))
    ((stored,),) = rows(service.database_url, _STORED)
    expected = options.bulk // options.bulk_clients * options.bulk_clients
    if stored - before != expected:
        raise RuntimeError(f"{expected} events were scheduled, and {stored - before} are there")
    return _speed(options, found)


def lateness(options: Options, *, with_bulk: bool) -> Lateness:
    """Let events fire, alone or while others are scheduled."""
    with served(options.engine) as service:
        start = time.time() + LEAD_SECONDS + options.rate * options.firing / 2000
        key = service.environment["DULY_KEY"]
        with Client(service.url, service=SERVICE, api_key=key) as client:
            due = list(due_from(start, options.firing, options.rate))
            list(client.schedule_many(due))
        analyze(service.database_url)
        speed = 0.0
        if with_bulk:
            pace = options.bulk / options.firing if options.spread else 0
            given = _bulk_options(options, pace=pace)
            found = _call(service, "bulk", options.bulk_clients, given, start)
            speed = _speed(options, found)
        _await_fired(service, start + options.firing)
        late = [float(line.split()[1]) for line in service.lateness.read_text().splitlines()]
    return Lateness(late, len(due), speed)


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which so large a share of them is."""
    ascending = sorted(values)
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def _bulk_options(options: Options, pace: float) -> dict[str, Any]:
    count, each = options.bulk // options.bulk_clients, pace / options.bulk_clients
    return {"count": count, "pace": each, "batch": most_at_once(count, each)}


def _speed(options: Options, found: Sequence[Sequence[float]]) -> float:
    began, ended = min(one[0] for one in found), max(one[1] for one in found)
    return options.bulk / (ended - began)


def _call(
    service: Served,
    kind: str,
    clients: int,
    options: Mapping[str, Any],
    start: float | None = None,
) -> list[Any]:
    at = time.time() + LEAD_SECONDS if start is None else start
    command = [sys.executable, "-m", "benchmarks.rest.caller", kind, repr(at), json.dumps(options)]
    callers = [
        subprocess.Popen(command, env=dict(service.environment), stdout=subprocess.PIPE)
        for _ in range(clients)
    ]
    answers = [caller.communicate()[0] for caller in callers]
    if any(caller.returncode for caller in callers):
        raise RuntimeError(f"a client failed: {[caller.returncode for caller in callers]}")
    return [json.loads(answer) for answer in answers]


def _await_fired(service: Served, end: float) -> None:
    time.sleep(max(0.0, end - time.time()))
    deadline = time.time() + DRAIN_SECONDS
    while time.time() < deadline:
        ((left,),) = rows(service.database_url, _LEFT)
        if not left:
            return
        time.sleep(0.2)


_STORED = "SELECT count(*) FROM duly_scheduledevent WHERE event_type = 'far'"
_LEFT = """
SELECT (SELECT count(*) FROM duly_scheduledevent
        WHERE next_at IS NOT NULL AND event_type = 'fired')
     + (SELECT count(*) FROM duly_occurrence
        WHERE wake_at IS NOT NULL AND event_type = 'fired')
"""
