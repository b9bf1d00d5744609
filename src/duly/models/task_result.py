"""The table of what tasks of django.tasks came to, beyond what an occurrence tells."""

from __future__ import annotations

from django.db import models

from duly.encryption import Binding
from duly.models.fields import PayloadField


class TaskResult(models.Model):
    """The return value and the errors of one task, by the id of its event.

    No foreign key: it goes after its event, with the next pruning.
    """

    event_id = models.UUIDField(primary_key=True)
    return_value = PayloadField()
    # Of each attempt that raised: the class of the exception, and its traceback.
    errors = models.JSONField(default=list, blank=True)
    worker_ids = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return f"result of {self.event_id}"

    @property
    def binding(self) -> Binding:
        """Where its encrypted return value is good."""
        return Binding("task", self.event_id)

    @property
    def key_owners(self) -> tuple[str, ...]:
        """Nobody that it knows of: who writes it knows its event's service."""
        return ()
