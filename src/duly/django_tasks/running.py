"""A task that is due is run."""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any

from django.utils.module_loading import import_string

from duly import payloads
from duly.conf import config
from duly.django_tasks.home import part
from duly.encryption import keyring
from duly.errors import InvalidPayload
from duly.policy.hiding import without_values
from duly.policy.retry import GiveUp, Retry
from duly.registry import Occurrence, handler
from duly.store import task_results

EVENT_TYPE = "duly.task"


# Once: what django.tasks promises, unless the backend's OPTIONS say more.
@handler(EVENT_TYPE, retry=Retry(attempts=1))
def run_task(occurrence: Occurrence) -> None:
    """Run a task, and keep what it returns, or what it raises."""
    settings = config()
    worker_id = f"{socket.gethostname()}:{os.getpid()}"
    task = task_of(occurrence.payload)
    result = _result(task, occurrence, worker_id)
    signals, statuses = part("signals"), part("base").TaskResultStatus
    backend = type(task.get_backend())
    signals.task_started.send(sender=backend, task_result=result)
    try:
        context = [part("base").TaskContext(task_result=result)] if task.takes_context else []
        returned = task.call(*context, *result.args, **result.kwargs)
        text = payloads.encode(returned, settings.payload_max_bytes)
    except BaseException as error:
        told = {
            "exception_class_path": f"{type(error).__module__}.{type(error).__qualname__}",
            "traceback": _told(error, occurrence),
        }
        task_results.add(
            settings.database,
            occurrence.event_id,
            worker_id,
            service=occurrence.service,
            error=told,
        )
        object.__setattr__(result, "status", statuses.FAILED)
        result.errors.append(part("base").TaskError(**told))
        signals.task_finished.send(sender=backend, task_result=result)
        if isinstance(error, InvalidPayload):
            # It has done its work: another attempt would do it again, and return the same.
            raise GiveUp(f"what the task returned cannot be kept: {error}") from error
        raise
    task_results.add(
        settings.database,
        occurrence.event_id,
        worker_id,
        service=occurrence.service,
        return_text=text,
    )
    object.__setattr__(result, "status", statuses.SUCCESSFUL)
    object.__setattr__(result, "_return_value", returned)
    signals.task_finished.send(sender=backend, task_result=result)


def _told(error: BaseException, occurrence: Occurrence) -> str:
    """Give the traceback, without what an encrypted payload holds."""
    text = "".join(traceback.format_exception(error)).replace("\0", "\ufffd")
    is_secret = occurrence.service in keyring.boxes
    return without_values(text, [occurrence.payload]) if is_secret else text


def task_of(payload: dict[str, Any]) -> Any:
    """Give the task that a stored payload names, as it was enqueued.

    Raises GiveUp for a name that is not a task's: what is stored may only choose among tasks.
    """
    try:
        found = import_string(payload["task"])
    except ImportError as error:
        raise GiveUp(f"task {payload['task']!r} cannot be imported: {error}") from error
    if not isinstance(found, part("base").Task):
        raise GiveUp(f"{payload['task']!r} is not a task: decorate it with @task")
    return found.using(
        priority=payload["priority"], queue_name=payload["queue"], backend=payload["backend"]
    )


def _result(task: Any, occurrence: Occurrence, worker_id: str) -> Any:
    base = part("base")
    return base.TaskResult(
        task=task,
        id=str(occurrence.event_id),
        status=base.TaskResultStatus.RUNNING,
        enqueued_at=occurrence.due_at,
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=occurrence.payload["args"],
        kwargs=occurrence.payload["kwargs"],
        backend=occurrence.payload["backend"],
        errors=[],
        # Its length is the number of the attempt.
        worker_ids=[worker_id] * occurrence.attempt,
    )
