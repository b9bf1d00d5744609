"""The task that Celery's workers run."""

from __future__ import annotations

from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_shutdown, worker_shutdown

from duly.engine import worker
from duly.policy.trace import TRACEPARENT, TRACESTATE

CARRIED = (TRACEPARENT, TRACESTATE)
NAME = "duly.process_event"
_TIME_LIMITS = (SoftTimeLimitExceeded,)


# Acknowledged late, and rejected with a killed process: the message lives until its attempt has
# been written. Then one that comes twice is refused by the number of its attempt.
@shared_task(
    name=NAME,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    serializer="json",
    max_retries=0,
    bind=True,
)
def process_event(self: Task, occurrence_id: str, attempt: int) -> str:
    """Run one attempt of an occurrence, unless it has begun already; says what came of it."""
    current = worker.current()
    headers = {name: value for name in CARRIED if (value := self.request.get(name))}
    return current.process(
        UUID(occurrence_id), attempt, _TIME_LIMITS, may_gather=True, carrier=headers
    )


@worker_process_shutdown.connect
@worker_shutdown.connect
def _write_the_last(**kwargs: object) -> None:
    worker.stop()
