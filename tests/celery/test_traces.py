"""Traces across Celery: from the engine that hands over to the worker that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duly.testing.servers import RedisServer
from tests.celery.conftest import due_now
from tests.celery.workers import CeleryProcesses, Twice
from tests.exporters.spans import Spans, collected, context_of, id_of, links
from tests.faults.engines import eventually

pytestmark = pytest.mark.only_postgres


@pytest.fixture
def spans() -> Iterator[Spans]:
    with collected() as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("event_type", ["traced", "atraced"])
def test_a_workers_attempt_is_a_child_of_its_dispatch_and_linked_to_its_scheduling(
    using: str, celery: CeleryProcesses, spans: Spans, handing_over: Twice, event_type: str
) -> None:
    celery.environment["PROBE_TRACES"] = "1"
    celery.worker("--pool=threads", "--concurrency=2")
    due_now(event_type)
    eventually(lambda: bool(celery.effects()), 25, "the handler's note")

    (effect,) = celery.effects()

    # What waits for its worker to start may be handed over again meanwhile.
    dispatches = [one for one in spans.exporter.get_finished_spans() if "dispatch" in one.name]
    (dispatch,) = [one for one in dispatches if id_of(one) == effect["parent"]]
    schedule = spans.one(f"duly schedule {event_type}")
    assert effect["name"] == f"duly attempt {event_type}"
    assert effect["trace"] == context_of(dispatch).trace_id
    assert effect["links"] == [id_of(schedule)]
    assert links(dispatch) == {"schedule": id_of(schedule)}


def test_a_broker_that_is_away_is_told_by_the_span_of_the_dispatch(
    using: str, spans: Spans, celery: CeleryProcesses, handing_over: Twice, redis: RedisServer
) -> None:
    redis.stop()
    due_now("traced")

    eventually(lambda: "duly dispatch traced" in spans.names(), 25, "a dispatch")

    found = [span for span in spans.exporter.get_finished_spans() if "dispatch" in span.name]
    assert (found[0].status.description or "").startswith("BrokerUnavailable: queue 'site'")
