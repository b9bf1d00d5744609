"""The Celery app of a project: what its celery.py holds, and handlers that note what they did."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from celery import Celery, Task
from django.db import connection

from duly.registry import Occurrence, handler

if "PROBE_TRACES" in os.environ:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())

app = Celery("site", broker=os.environ.get("PROBE_BROKER", "memory://"))
app.conf.update(
    # Messages of a worker that was killed come back by themselves as well, and soon.
    broker_transport_options=json.loads(os.environ.get("PROBE_TRANSPORT", "{}")),
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=int(os.environ.get("PROBE_PREFETCH", "1")),
    task_default_queue="site",
    enable_utc=True,
    timezone="Europe/Berlin",
    beat_schedule=json.loads(os.environ.get("PROBE_BEAT", "{}")),
)
app.autodiscover_tasks()


def note(**line: object) -> None:
    """Append one line, in one write, to the file of this process."""
    path = os.path.join(os.environ["PROBE_DIRECTORY"], f"effects-{os.getpid()}.jsonl")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def _note(occurrence: Occurrence) -> None:
    note(
        key=occurrence.idempotency_key,
        attempt=occurrence.attempt,
        type=occurrence.event_type,
        payload=occurrence.payload,
    )


@handler("note")
def note_it(occurrence: Occurrence) -> None:
    """Do no more than that."""
    _note(occurrence)


@handler("anote")
async def note_it_on_a_loop(occurrence: Occurrence) -> None:
    """The same, as a coroutine."""
    _note(occurrence)


@handler("traced")
def note_its_span(occurrence: Occurrence) -> None:
    """Note the span that it runs in."""
    note_span(occurrence)


@handler("atraced")
async def note_its_span_on_a_loop(occurrence: Occurrence) -> None:
    """The same, as a coroutine."""
    note_span(occurrence)


def note_span(occurrence: Occurrence) -> None:
    span: Any = trace.get_current_span()
    note(
        type=occurrence.event_type,
        name=span.name,
        trace=span.context.trace_id,
        parent=span.parent.span_id,
        links=[link.context.span_id for link in span.links],
    )


@handler("nothing")
def do_nothing(occurrence: Occurrence) -> None:
    """For measurements."""


@handler("sleep")
def sleep(occurrence: Occurrence) -> None:
    """Take a while."""
    _note(occurrence)
    time.sleep(occurrence.payload)


@handler("hang")
def hang(occurrence: Occurrence) -> None:
    """Take no notice of a time limit."""
    _note(occurrence)
    while True:
        try:
            time.sleep(60)
        except Exception:
            continue


@handler("overrun")
def overrun(occurrence: Occurrence) -> None:
    """Take longer than it may."""
    _note(occurrence)
    time.sleep(60 if occurrence.attempt == 1 else 0)


@handler("effect", atomic=True)
def effect(occurrence: Occurrence) -> None:
    """Write a row; the first attempt dies right after it."""
    _note(occurrence)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO celery_effect (key) VALUES (%s)", [occurrence.idempotency_key])
    if occurrence.attempt == 1 and occurrence.payload == "die":
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="site.ping", bind=True)
def ping(self: Task, *args: object, **kwargs: object) -> None:
    """A task of the project's own, for beat."""
    headers = dict(self.request.headers or {})
    note(id=self.request.id, args=args, kwargs=kwargs, headers=headers)


@app.task(name="site.nothing", ignore_result=True, acks_late=True)
def nothing(*args: object) -> None:
    """For measurements."""
