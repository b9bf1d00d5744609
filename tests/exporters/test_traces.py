"""Spans of what is scheduled, dispatched and tried."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

import duly
from duly import At, GiveUp, Retry, SagaBuilder, Snooze, definitions, tracing
from duly.errors import EventConflict
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from tests.engine.conftest import Signals
from tests.exporters.spans import Spans, attribute, context_of, id_of, links, parent_of
from tests.targets.conftest import LOOPBACK, SECRET, Serve
from tests.targets.conftest import serve as serve
from tests.targets.server import reply

Start = Callable[..., Any]
Handle = Callable[..., None]
AT_ONCE = Retry(attempts=3, base=timedelta(milliseconds=10), cap=timedelta(milliseconds=10))
CANARY = "4111-1111-1111-1111"


def now() -> At:
    return At.instant(datetime.now(UTC))


def test_what_fires_is_linked_to_what_scheduled_it_and_no_child_of_it(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    handle("call", lambda occurrence: None)
    with spans.provider.get_tracer("shop").start_as_current_span("order") as order:
        event = duly.schedule_event("call", now(), service="shop")
    start_engine()

    attempt = spans.one("duly attempt call")

    schedule, dispatch = spans.one("duly schedule call"), spans.one("duly dispatch call")
    assert parent_of(schedule) == order.get_span_context().span_id
    assert links(dispatch) == links(attempt) == {"schedule": id_of(schedule)}
    assert dispatch.parent is None
    assert parent_of(attempt) == id_of(dispatch)
    assert context_of(attempt).trace_id != context_of(schedule).trace_id
    assert schedule.kind is SpanKind.PRODUCER
    assert attempt.kind is SpanKind.CONSUMER
    assert dict(attempt.attributes or {}) == {
        "messaging.system": "duly",
        "messaging.operation.name": "attempt",
        "messaging.operation.type": "process",
        "messaging.destination.name": "call",
        "messaging.message.id": str(event.occurrences.get().id),
        "duly.service": "shop",
        "duly.event_id": str(event.id),
        "duly.attempt": 1,
        "duly.due_at": event.next_at.isoformat() if event.next_at else "",
        "duly.outcome": "succeeded",
    }


def test_the_dispatch_begins_when_the_occurrence_was_due(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    handle("call", lambda occurrence: None)
    due = datetime.now(UTC) - timedelta(seconds=5)
    duly.schedule_event("call", At.instant(due))
    start_engine()

    dispatch = spans.one("duly dispatch call")

    assert dispatch.start_time is not None
    assert dispatch.end_time is not None
    assert abs(dispatch.start_time / 1e9 - due.timestamp()) < 0.001
    assert dispatch.end_time - dispatch.start_time > 5e9


def test_the_attempts_of_a_failing_handler_say_why_and_are_linked_to_each_other(
    using: str, start_engine: Start, handle: Handle, spans: Spans, signals: Signals
) -> None:
    def fail(occurrence: duly.Occurrence) -> None:
        raise ValueError("no answer")

    handle("call", fail, retry=AT_ONCE)
    duly.schedule_event("call", now())
    start_engine()
    signals.wait("occurrences.recorded", 3)

    first, second, third = spans.named("duly attempt call", 3)

    schedule = spans.one("duly schedule call")
    assert links(first) == {"schedule": id_of(schedule)}
    assert links(second) == {"schedule": id_of(schedule), "retry": id_of(first)}
    assert links(third) == {"schedule": id_of(schedule), "retry": id_of(second)}
    assert [attribute(span, "duly.attempt") for span in (first, second, third)] == [1, 2, 3]
    assert third.status.status_code is StatusCode.ERROR
    assert third.status.description == "ValueError: no answer"
    assert attribute(third, "error.type") == "ValueError"
    (raised,) = third.events
    assert (raised.attributes or {})["exception.message"] == "no answer"
    told = LedgerEntry.objects.using(using).filter(fact__in=("retried", "died")).order_by("id")
    ids = [f"{context_of(span).trace_id:032x}" for span in (first, second, third)]
    assert [(entry.data or {})["trace_id"] for entry in told] == ids


def test_a_snooze_is_no_failure_and_the_next_attempt_is_linked_to_it(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    def snooze_once(occurrence: duly.Occurrence) -> None:
        if occurrence.attempt == 1:
            raise Snooze(timedelta(milliseconds=10))

    handle("call", snooze_once)
    duly.schedule_event("call", now())
    start_engine()

    first, second = spans.named("duly attempt call", 2)

    assert first.status.status_code is StatusCode.UNSET
    assert attribute(first, "duly.outcome") == "snoozed"
    assert links(second)["retry"] == id_of(first)


def test_the_spans_of_a_handler_are_children_of_its_attempt(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    tracer = spans.provider.get_tracer("shop")

    def plain(occurrence: duly.Occurrence) -> None:
        with tracer.start_as_current_span("own plain"):
            pass

    async def asynchronous(occurrence: duly.Occurrence) -> None:
        await asyncio.sleep(0)
        with tracer.start_as_current_span("own async"):
            pass

    handle("plain", plain)
    handle("async", asynchronous)
    handle("atomic", lambda occurrence: duly.schedule_event("plain", now()), atomic=True)
    duly.schedule_events([duly.NewEvent(one, now()) for one in ("async", "atomic")])
    start_engine()

    plain_attempt = spans.one("duly attempt plain")
    assert parent_of(spans.one("own plain")) == id_of(plain_attempt)
    assert parent_of(spans.one("own async")) == id_of(spans.one("duly attempt async"))
    schedule = spans.one("duly schedule plain")
    assert parent_of(schedule) == id_of(spans.one("duly attempt atomic"))
    assert links(plain_attempt) == {"schedule": id_of(schedule)}


def test_many_are_scheduled_in_one_span_that_each_is_linked_to(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    handle("call", lambda occurrence: None)
    duly.schedule_events([duly.NewEvent("call", now()) for _ in range(3)])
    start_engine()

    attempts = spans.named("duly attempt call", 3)

    schedule = spans.one("duly schedule call")
    assert attribute(schedule, "messaging.batch.message_count") == 3
    assert [links(span) for span in attempts] == [{"schedule": id_of(schedule)}] * 3


def test_a_batch_is_one_span_linked_to_all_that_scheduled_it(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    tracer = spans.provider.get_tracer("shop")

    def index(batch: list[duly.Occurrence]) -> dict[Any, Exception]:
        with tracer.start_as_current_span("own"):
            return {one.id: ValueError("bad") for one in batch if one.payload == 2}

    handle("index", index, batch=3, within=60, retry=Retry(attempts=1))
    for number in range(3):
        duly.schedule_event("index", now(), payload=number)
    start_engine()

    attempt = spans.one("duly attempt index")

    scheduled = {id_of(span) for span in spans.named("duly schedule index", 3)}
    assert {link.context.span_id for link in attempt.links} == scheduled
    assert attribute(attempt, "messaging.batch.message_count") == 3
    assert parent_of(spans.one("own")) == id_of(attempt)
    assert attempt.status.description == "1 of 3 occurrences failed"
    (raised,) = attempt.events
    assert (raised.attributes or {})["exception.message"] == "bad"


def test_a_target_over_http_gets_the_trace_of_its_attempt(
    start_engine: Start, settings: Any, spans: Spans, serve: Serve
) -> None:
    server = serve(reply(200))
    target = {
        "target": "http",
        "url": f"http://127.0.0.1:{server.port}/hook",
        "secret": SECRET,
        "allow": list(LOOPBACK),
        "allow_http": True,
    }
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": target}}
    duly.schedule_event("tell", now(), service="crm")
    start_engine()

    attempt = spans.one("duly attempt tell")

    context = context_of(attempt)
    expected = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert server.received[0].headers["traceparent"] == expected


def test_each_step_of_a_saga_is_linked_to_the_attempt_that_it_follows(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    def fail(occurrence: duly.Occurrence) -> None:
        raise GiveUp("no")

    def trip(saga: SagaBuilder) -> None:
        saga.step("book", compensate="unbook")
        saga.step("pay")

    for name in ("book", "unbook"):
        handle(name, lambda occurrence: None)
    handle("pay", fail)
    duly.saga("trip")(trip)
    try:
        start_engine()
        duly.start_saga("trip")
        undone = spans.one("duly attempt unbook")
    finally:
        definitions.forget("trip")

    start, booked = spans.one("duly schedule saga trip"), spans.one("duly attempt book")
    paid = spans.one("duly attempt pay")
    assert links(booked) == {"schedule": id_of(start)}
    assert links(paid) == {"schedule": id_of(booked)}
    assert links(undone) == {"schedule": id_of(paid)}


def test_a_dead_letters_event_is_linked_to_the_attempt_that_died(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    def fail(occurrence: duly.Occurrence) -> None:
        raise GiveUp("no")

    handle("call", fail, on_dead=lambda occurrence: None)
    duly.schedule_event("call", now())
    start_engine()

    told = spans.one("duly attempt duly.occurrence_died")

    assert links(told) == {"schedule": id_of(spans.one("duly attempt call"))}


def test_scheduling_the_same_again_from_another_trace_changes_nothing(
    using: str, handle: Handle, spans: Spans
) -> None:
    handle("call", lambda occurrence: None)
    rule = At.instant(datetime(2040, 1, 1, tzinfo=UTC))
    first = duly.schedule_event("call", rule, key="k")

    second = duly.schedule_event("call", rule, key="k")

    assert second.updated_at == first.updated_at
    stored = ScheduledEvent.objects.using(using).get(key="k").handling["traceparent"]
    assert stored.split("-")[2] == f"{id_of(spans.named('duly schedule call', 2)[0]):016x}"


def test_what_is_refused_is_told_by_its_span(using: str, handle: Handle, spans: Spans) -> None:
    handle("call", lambda occurrence: None)
    rule = At.instant(datetime(2040, 1, 1, tzinfo=UTC))
    duly.schedule_event("call", rule, key=CANARY)

    with pytest.raises(EventConflict):
        duly.schedule_event("call", rule, key=CANARY, on_conflict="raise")

    refused = spans.named("duly schedule call", 2)[1]
    assert refused.status.status_code is StatusCode.ERROR
    assert attribute(refused, "error.type") == "duly.errors.EventConflict"
    assert CANARY not in refused.to_json()


def test_no_span_tells_of_payload_key_or_entity(
    start_engine: Start, handle: Handle, spans: Spans
) -> None:
    handle("call", lambda occurrence: None)
    duly.schedule_event(
        "call", now(), payload={"card": CANARY}, key=CANARY, entity=("card", CANARY)
    )
    start_engine()
    spans.one("duly attempt call")

    assert CANARY not in "".join(span.to_json() for span in spans.exporter.get_finished_spans())


def test_the_setting_switches_tracing_off(
    using: str, start_engine: Start, handle: Handle, spans: Spans, settings: Any, signals: Signals
) -> None:
    settings.DULY = {**settings.DULY, "TRACING": False}
    handle("call", lambda occurrence: None)
    duly.schedule_event("call", now())
    start_engine()
    signals.wait("occurrences.recorded")

    assert spans.names() == []
    assert Occurrence.objects.using(using).get().handling == {}


def test_without_a_provider_nothing_is_stored(using: str, handle: Handle) -> None:
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    handle("call", lambda occurrence: None)

    event = duly.schedule_event("call", now())

    assert tracing.current() is None
    assert event.handling == {}


class Failing(SpanProcessor):
    """An exporter with a fault of its own."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no spans today")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("no spans today")


def test_an_exporter_that_fails_costs_no_firing(
    using: str, start_engine: Start, handle: Handle, spans: Spans, signals: Signals
) -> None:
    spans.provider.add_span_processor(Failing())
    handle("call", lambda occurrence: None)
    duly.schedule_event("call", now())
    start_engine()

    signals.wait("occurrences.recorded")

    assert Occurrence.objects.using(using).get().status == "succeeded"


def test_nothing_of_opentelemetry_is_imported_by_duly_itself() -> None:
    program = (
        "import sys, django; from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['duly'], USE_TZ=True, DATABASES={'default': {"
        "'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}});"
        "django.setup(); import duly, duly.engine.loop, duly.exporters.logs, json;"
        "from duly import tracing; assert tracing.current() is None;"
        "print(json.dumps([name for name in sys.modules if name.startswith('opentelemetry')]))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert json.loads(said.stdout) == []
