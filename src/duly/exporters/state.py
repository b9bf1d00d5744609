"""What is so at this moment: of this process, and of the database that all share.

The database is asked when somebody looks, and every process answers the same of it: whoever asks
several takes the `max`, never the sum (docs/how-to/metrics.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connections
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from duly import __version__, clock
from duly.civil import zones
from duly.civil.freshness import least_age
from duly.conf import config
from duly.engine.loop import Engine
from duly.engine.rederive import applied_release, prevails
from duly.policy.breaker import BreakerStatus
from duly.store.backlog import MOST_COUNTED, Backlog, backlog
from duly.store.depth import Breakers, Depth, breakers, depth
from duly.store.engines import alive

# Between scrapes of several servers the database is asked once.
KEPT_SECONDS = 2.0
MOST_GATES = 50
_STATES = {BreakerStatus.HALF_OPEN: 1, BreakerStatus.OPEN: 2}


@dataclass(frozen=True, slots=True)
class _Found:
    backlog: Backlog
    depth: Depth
    breakers: Breakers
    engines: int
    age: timedelta | None
    """Of this process's time zone data."""
    is_outdated: bool


class State(Collector):
    """The gauges.

    using: alias of the database; None reads it in the settings when somebody looks.
    engine: the engine of this process; None where none is to run here.
    named: whether gates may be told by their names, which hold services and event types.
    """

    def __init__(self, using: str | None, engine: Engine | None, *, named: bool = False) -> None:
        self._using = using
        self.engine = engine
        self._named = named
        self._lock = threading.Lock()
        self._found: _Found | None = None
        self._found_at = -KEPT_SECONDS

    def describe(self) -> Iterator[Metric]:
        """Promise nothing: what there is depends on the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Give the metrics; those of the database only where it answers."""
        yield InfoMetricFamily(
            "duly", "Versions", {"version": __version__, "tzdata": zones.current().release}
        )
        if self.engine:
            yield _gauge(
                "engine_up",
                "1 where the engine of this process looks for work",
                self.engine.is_up(),
            )
            yield _gauge(
                "clock_offset_seconds",
                "How far this host's clock is ahead of the database's",
                self.engine.clock_offset(),
            )
        found = self._look()
        yield _gauge("database_up", "1 where it answers", found is not None)
        if found is not None:
            yield _gauge("engines", "Engines that are alive and claim", found.engines)
            yield from _of_queue(found.backlog, found.depth)
            yield from _of_breakers(found.breakers, self._named)
            yield from _of_zones(found)

    def _look(self) -> _Found | None:
        with self._lock:
            if time.monotonic() - self._found_at >= KEPT_SECONDS:
                using = self._using or config().database
                try:
                    self._found = _find(using)
                except DatabaseError:
                    connections[using].close()
                    self._found = None
                self._found_at = time.monotonic()
            return self._found


def _find(using: str) -> _Found:
    now = clock.now(using)
    return _Found(
        backlog(using, now),
        depth(using),
        breakers(using, MOST_GATES),
        sum(engine.stopping_at is None for engine in alive(using, now)),
        least_age(zones.current().release, now),
        not prevails(applied_release(using)),
    )


def _of_queue(found: Backlog, deep: Depth) -> Iterator[Metric]:
    upto = f"counted up to {MOST_COUNTED:,}"
    yield _gauge("due", f"Firings due and not begun, {upto}", found.due)
    yield _gauge("overdue", f"Firings due for over a minute and not begun, {upto}", found.overdue)
    yield _gauge(
        "oldest_due_age_seconds",
        "How long the oldest firing that has not begun has been due",
        found.oldest.total_seconds(),
    )
    yield _gauge("dead_letters", f"Dead occurrences, {upto}", found.dead)
    together = f"{upto} together with those of other states"
    live = GaugeMetricFamily(
        "duly_live", f"Occurrences that have not ended, by state, {together}", labels=["state"]
    )
    for state in ("held", "running", "waiting"):
        live.add_metric([state], getattr(deep, state))
    yield live


def _of_breakers(found: Breakers, named: bool) -> Iterator[Metric]:
    counts = GaugeMetricFamily("duly_breakers", "Circuit breakers by state", labels=["state"])
    for status in BreakerStatus:
        counts.add_metric([status.value], found.by_status[status])
    yield counts
    if named:
        states = GaugeMetricFamily(
            "duly_breaker_state",
            f"Breakers that are not closed, {MOST_GATES} at most: 1 is half open, 2 open",
            labels=["gate"],
        )
        for name, status in found.shut.items():
            states.add_metric([name], _STATES[status])
        yield states


def _of_zones(found: _Found) -> Iterator[Metric]:
    if found.age is not None:
        yield _gauge(
            "tzdata_age_seconds",
            "How long ago the year of this process's time zone data ended; 0 within it",
            found.age.total_seconds(),
        )
    yield _gauge(
        "tzdata_outdated",
        "1 where this process has older time zone data than events follow",
        found.is_outdated,
    )


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"duly_{name}", what, float(value))
