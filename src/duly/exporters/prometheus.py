"""Metrics for Prometheus: what this process emits, and what waits in its database.

Every name begins with `duly_`. No label holds anything of a tenant's: neither services nor
event types nor entities.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from duly import __version__, clock
from duly.civil import zones
from duly.engine.loop import Engine
from duly.store.backlog import MOST_COUNTED, Backlog, backlog
from duly.telemetry import subscribe

# Between scrapes of several servers the database is asked once.
KEPT_SECONDS = 2.0
LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
# Telemetry's name and field -> the label of duly_occurrences_total.
_OCCURRENCES = {
    ("events.planned", "born"): "born",
    ("occurrences.claimed", "count"): "handed_out_again",
    ("occurrences.started", "count"): "started",
    ("occurrences.started", "refused"): "refused",
    ("occurrences.recorded", "count"): "recorded",
    ("occurrences.recorded", "fenced"): "fenced",
    ("occurrences.parked", "count"): "parked",
    ("occurrences.deferred", "count"): "deferred",
    ("occurrences.handed_over", "count"): "handed_over",
    ("occurrences.skipped", "count"): "skipped",
    ("occurrences.rescued", "count"): "rescued",
    ("leases.extended", "lost"): "lease_lost",
}
_FIELDS: dict[str, list[tuple[str, str]]] = {}
for (_name, _field), _label in _OCCURRENCES.items():
    _FIELDS.setdefault(_name, []).append((_field, _label))


class Metrics:
    """The registry of one process. `close` ends its listening to telemetry.

    using: alias of the database.
    engine: the engine of this process; None where none is to run here.
    """

    def __init__(self, using: str, engine: Engine | None = None) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._emitted = Counter(
            "duly_emitted", "What the core said about itself", ["name"], registry=self.registry
        )
        self._occurrences = Counter(
            "duly_occurrences", "What became of occurrences", ["step"], registry=self.registry
        )
        for label in _OCCURRENCES.values():
            self._occurrences.labels(label)
        self._lateness: Histogram | None = None
        if engine:
            self._lateness = Histogram(
                "duly_lateness_seconds",
                "From the due instant to the beginning of the first attempt, in this process",
                buckets=LATENESS_BUCKETS,
                registry=self.registry,
            )
        self.registry.register(_State(using, engine))
        self.close = subscribe(self._hear)

    def _hear(self, name: str, fields: Mapping[str, Any]) -> None:
        self._emitted.labels(name).inc()
        for field, label in _FIELDS.get(name, ()):
            self._occurrences.labels(label).inc(fields.get(field) or 0)
        if self._lateness:
            for seconds in fields.get("late_seconds", ()):
                self._lateness.observe(seconds)


class _State(Collector):
    """What is so at this moment; the database is asked when somebody looks."""

    def __init__(self, using: str, engine: Engine | None) -> None:
        self._using = using
        self._engine = engine
        self._lock = threading.Lock()
        self._found: Backlog | None = None
        self._found_at = -KEPT_SECONDS

    def describe(self) -> Iterator[Metric]:
        """Promise nothing: what there is depends on the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Give the metrics; those of the database only where it answers."""
        yield InfoMetricFamily(
            "duly", "Versions", {"version": __version__, "tzdata": zones.current().release}
        )
        if self._engine:
            yield GaugeMetricFamily(
                "duly_engine_up",
                "1 where the engine of this process looks for work",
                int(self._engine.is_up()),
            )
        found = self._look()
        yield GaugeMetricFamily("duly_database_up", "1 where it answers", int(found is not None))
        if found is not None:
            yield from _told(found)

    def _look(self) -> Backlog | None:
        with self._lock:
            if time.monotonic() - self._found_at >= KEPT_SECONDS:
                try:
                    self._found = backlog(self._using, clock.now(self._using))
                except DatabaseError:
                    connections[self._using].close()
                    self._found = None
                self._found_at = time.monotonic()
            return self._found


def _told(found: Backlog) -> Iterator[Metric]:
    upto = f"counted up to {MOST_COUNTED:,}"
    yield GaugeMetricFamily("duly_due", f"Firings due and not begun, {upto}", found.due)
    yield GaugeMetricFamily(
        "duly_overdue", f"Firings due for over a minute and not begun, {upto}", found.overdue
    )
    yield GaugeMetricFamily(
        "duly_oldest_due_age_seconds",
        "How long the oldest firing that has not begun has been due",
        found.oldest.total_seconds(),
    )
    yield GaugeMetricFamily("duly_dead_letters", f"Dead occurrences, {upto}", found.dead)
