"""Publish: occurrences are handed to whatever backend of django.tasks the project has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duly.django_tasks.home import part
from duly.errors import BrokerUnavailable, ConfigurationError
from duly.store.rows import Claim


class TasksPublisher:
    """Enqueues a task for each attempt; it names an occurrence and an attempt, and nothing else.

    backend: an alias in TASKS, not of duly's own backend.
    queue: None is the default queue.

    Raises ConfigurationError for duly's own backend, which would hand it back here.
    """

    def __init__(
        self, backend: str = "default", *, queue: str | None = None, priority: int | None = None
    ) -> None:
        # Here, not above: the backends of a project are ready once its apps are.
        from duly.django_tasks.backend import DulyBackend
        from duly.django_tasks.delivery import process_event

        if isinstance(part().task_backends[backend], DulyBackend):
            raise ConfigurationError(
                f"TASKS[{backend!r}] is duly itself; name a backend that runs tasks elsewhere"
            )
        self._backend = backend
        self._task: Any = process_event.using(backend=backend, queue_name=queue, priority=priority)

    def publish(self, claims: Sequence[Claim]) -> None:
        """Enqueue a task for the next attempt of each claim.

        Raises BrokerUnavailable where the backend refuses one.
        """
        for claim in claims:
            try:
                self._task.enqueue(str(claim.id), claim.attempt + 1)
            except Exception as error:
                raise BrokerUnavailable(
                    f"backend {self._backend!r} took not all of {len(claims)} tasks: {error!r}"
                ) from error

    def close(self) -> None:
        """Nothing is held open here."""
