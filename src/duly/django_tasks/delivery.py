"""The task that a worker of another backend runs."""

from __future__ import annotations

from uuid import UUID

from duly.django_tasks.home import part
from duly.engine import worker

task = part().task


@task
def process_event(occurrence_id: str, attempt: int) -> str:
    """Run one attempt of an occurrence, unless it has begun already; says what came of it."""
    return worker.current().process(UUID(occurrence_id), attempt)
