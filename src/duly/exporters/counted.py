"""What one process counts: everything that the core tells it, as counters and histograms.

Every name begins with `duly_`. Of a tenant's only event types become labels, and only where the
caller wants names; the first MOST_TYPES that are met, all others are "other".
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from duly.telemetry import Ended, Later, subscribe

MOST_TYPES = 50
OTHER = "other"
# From one millisecond to an hour: what is late by minutes is to be told from what is late by hours.
SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)
# From "now" over a minute, an hour, a day and a week to a year.
LEADS = (1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 31_536_000.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)
# Telemetry's name and field -> the label of duly_occurrences_total.
_STEPS = {
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
_CLAIMS = {
    "events.planned": ("due", "born"),
    "occurrences.claimed": ("again", "count"),
}


class Counted:
    """The counters and histograms of this process. `close` ends its listening to telemetry.

    named: whether event types may be told. False: all of them are "other".
    """

    def __init__(self, registry: CollectorRegistry, *, named: bool = False) -> None:
        self._types = _Bounded(MOST_TYPES if named else 0)
        self._emitted = _counter(registry, "emitted", "What the core said about itself", "name")
        self._steps = _counter(registry, "occurrences", "What became of occurrences", "step")
        self._attempts = _counter(
            registry, "attempts", "Attempts that ended here, and how", "event_type", "outcome"
        )
        self._died = _counter(
            registry, "died", "Occurrences that became dead letters here", "event_type"
        )
        self._busy = _counter(
            registry, "busy_seconds", "How long handlers ran here, all together", "event_type"
        )
        lateness = "From the due instant to the beginning of the first attempt, in this process"
        self._lateness = _histogram(registry, "lateness_seconds", lateness, SECONDS)
        self._lead = _histogram(
            registry, "lead_seconds", "From scheduling here to the first due instant", LEADS
        )
        self._run = _histogram(
            registry, "run_seconds", "From the beginning of a handler to its end", SECONDS
        )
        self._claim_seconds = _histogram(
            registry, "claim_seconds", "How long a claim that found something took", SECONDS, "kind"
        )
        self._claim_size = _histogram(
            registry, "claim_size", "How much a claim that found something took", SIZES, "kind"
        )
        for step in _STEPS.values():
            self._steps.labels(step)
        for kind, _ in _CLAIMS.values():
            self._claim_seconds.labels(kind)
            self._claim_size.labels(kind)
        self._more: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "events.scheduled": self._scheduled,
            "occurrences.started": self._started,
            "occurrences.recorded": self._recorded,
            "occurrences.rescued": self._rescued,
        }
        self.close = subscribe(self._hear)

    def _hear(self, name: str, fields: Mapping[str, Any]) -> None:
        self._emitted.labels(name).inc()
        for field, step in _FIELDS.get(name, ()):
            self._steps.labels(step).inc(fields.get(field) or 0)
        if (took := fields.get("took_seconds")) is not None and name in _CLAIMS:
            kind, field = _CLAIMS[name]
            self._claim_seconds.labels(kind).observe(took)
            self._claim_size.labels(kind).observe(fields[field])
        if more := self._more.get(name):
            more(fields)

    def _scheduled(self, fields: Mapping[str, Any]) -> None:
        for seconds in _asked(fields.get("lead_seconds")):
            self._lead.observe(max(0.0, seconds))

    def _started(self, fields: Mapping[str, Any]) -> None:
        for seconds in fields.get("late_seconds", ()):
            self._lateness.observe(max(0.0, seconds))

    def _recorded(self, fields: Mapping[str, Any]) -> None:
        self._count([Ended(*one) for one in _asked(fields.get("ended"))])

    def _rescued(self, fields: Mapping[str, Any]) -> None:
        # Where their lease ran out is told by the outcome of the attempt, their death as any.
        self._count([Ended(*one) for one in _asked(fields.get("ended"))], "lease_lost")

    def _count(self, ended: Sequence[Ended], outcome: str = "") -> None:
        attempts: Tally[tuple[str, str]] = Tally()
        busy: Tally[str] = Tally()
        died: Tally[str] = Tally()
        for one in ended:
            event_type = self._types.known(one.event_type)
            attempts[event_type, outcome or one.outcome] += 1
            died[event_type] += one.outcome == "died"
            if one.ran_seconds is not None:
                self._run.observe(one.ran_seconds)
                busy[event_type] += one.ran_seconds  # type: ignore[assignment]
        for labels, count in attempts.items():
            self._attempts.labels(*labels).inc(count)
        for event_type, seconds in busy.items():
            self._busy.labels(event_type).inc(seconds)
        for event_type, count in died.items():
            self._died.labels(event_type).inc(count)


class _Bounded:
    """The first few names that are met; all others are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def known(self, name: str) -> str:
        if name in self._names:
            return name
        with self._lock:
            if len(self._names) >= self._most:
                return OTHER
            self._names.add(name)
            return name


def _asked(field: Later[list[Any]] | None) -> Sequence[Any]:
    return () if field is None else field()


def _counter(registry: CollectorRegistry, name: str, what: str, *labels: str) -> Counter:
    return Counter(f"duly_{name}", what, labels, registry=registry)


def _histogram(
    registry: CollectorRegistry, name: str, what: str, buckets: Sequence[float], *labels: str
) -> Histogram:
    return Histogram(f"duly_{name}", what, labels, buckets=buckets, registry=registry)


_FIELDS: dict[str, list[tuple[str, str]]] = {}
for (_name, _field), _step in _STEPS.items():
    _FIELDS.setdefault(_name, []).append((_field, _step))
