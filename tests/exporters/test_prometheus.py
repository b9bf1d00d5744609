"""What the core emits becomes metrics, and nothing of a tenant's gets into them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from duly.exporters.metrics import Metrics
from duly.telemetry import emit


@pytest.fixture
def metrics(database: str) -> Iterator[Metrics]:
    """The metrics of a process without an engine."""
    made = Metrics(database)
    yield made
    made.close()


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Read them as Prometheus would: name and labels, and the value."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_becomes_of_occurrences_is_counted_by_step(metrics: Metrics) -> None:
    emit("occurrences.started", count=3, refused=1, late_seconds=[0.01, 0.02, 0.03])
    emit("occurrences.recorded", count=2, fenced=1)
    emit("occurrences.recorded", count=1, fenced=0)

    found = values(metrics)

    steps = ("started", "refused", "recorded", "fenced", "rescued")
    counts = [found["duly_occurrences_total", step] for step in steps]
    assert counts == [3, 1, 3, 1, 0]
    assert found["duly_emitted_total", "occurrences.recorded"] == 2


def test_the_fields_of_what_is_emitted_are_no_labels(metrics: Metrics) -> None:
    emit("occurrences.parked", count=1, event_types=["secret_surgery"])
    emit("breaker.moved", gate="service:tenant-7", status="open")

    text = generate_latest(metrics.registry).decode()

    assert "secret_surgery" not in text
    assert "tenant-7" not in text
    assert values(metrics)["duly_emitted_total", "breaker.moved"] == 1


def test_what_waits_is_zero_where_nothing_does(metrics: Metrics) -> None:
    found = values(metrics)

    assert found["duly_database_up",] == 1
    assert [found[f"duly_{name}",] for name in ("due", "overdue", "dead_letters")] == [0, 0, 0]
    assert found["duly_oldest_due_age_seconds",] == 0


def test_once_closed_it_hears_nothing_more(database: str) -> None:
    metrics = Metrics(database)
    metrics.close()

    emit("occurrences.recorded", count=1, fenced=0)

    assert values(metrics)["duly_occurrences_total", "recorded"] == 0
