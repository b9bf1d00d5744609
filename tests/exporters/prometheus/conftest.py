"""Registries of one test, and a scrape of a process in which everything has happened once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import disable_created_metrics

import duly
from duly import At, GiveUp
from duly.exporters.metrics import Metrics
from duly.store import gates
from tests.engine.conftest import Signals, handle, signals, start_engine, using
from tests.exporters.prometheus.scraping import Scrape, scrape

__all__ = ["handle", "signals", "start_engine", "using"]


@pytest.fixture
def metrics(database: str) -> Iterator[Metrics]:
    """The metrics of a process without an engine, which tells no names."""
    made = Metrics(database)
    yield made
    made.close()


@pytest.fixture
def named(database: str) -> Iterator[Metrics]:
    """The same, telling names."""
    made = Metrics(database, named=True)
    yield made
    made.close()


@pytest.fixture
def full(
    using: str,
    start_engine: Callable[..., Any],
    handle: Callable[..., None],
    signals: Signals,
) -> Scrape:
    """A scrape of a process whose engine has fired, failed, waited and opened a breaker."""

    def hopeless(occurrence: duly.Occurrence) -> None:
        raise GiveUp("no such number")

    handle("remind", lambda occurrence: None)
    handle("call", hopeless)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics(using, named=True)
    try:
        engine = start_engine()
        metrics.runs(engine)
        now = datetime.now(UTC)
        gates.steer(using, "service:partner", opens=True, now=now, actor="test")
        duly.schedule_events([duly.NewEvent(one, At.instant(now)) for one in ("remind", "call")])
        signals.wait("occurrences.recorded", 2)
        signals.wait("events.planned")
        return scrape(metrics)
    finally:
        metrics.close()
