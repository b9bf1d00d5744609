"""duly as a backend of django.tasks: durable, in the caller's transaction, with results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from uuid import UUID

from duly import clock, scheduling
from duly.civil.at import At
from duly.conf import config
from duly.django_tasks.home import part
from duly.django_tasks.running import EVENT_TYPE, task_of
from duly.errors import ConfigurationError
from duly.models import Occurrence, ScheduledEvent, TaskResult
from duly.policy.handling import HIGHEST_PRIORITY, HandlingArguments
from duly.policy.retry import Retry
from duly.policy.states import EventStatus, OccurrenceStatus

if TYPE_CHECKING:
    Base = Any
else:
    Base = part("backends.base").BaseTaskBackend

SERVICE = "django.tasks"
# As django.tasks has it; duly's are 0 to 9.
_HIGHEST = 100
OPTIONS = frozenset({"ATTEMPTS", "TIMEOUT", "SERVICE"})


class DulyBackend(Base):  # type: ignore[misc,unused-ignore]
    """Enqueued tasks are events, which any engine runs.

    OPTIONS: `ATTEMPTS` (1) before a task has failed, `TIMEOUT` in seconds (an hour), and the
    `SERVICE` ("django.tasks") that the events belong to.

    Raises ConfigurationError for other options.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        if unknown := self.options.keys() - OPTIONS:
            raise ConfigurationError(
                f"TASKS[{alias!r}]['OPTIONS'] has no option {sorted(unknown)[0]!r}; "
                f"known: {sorted(OPTIONS)}"
            )
        self._service = self.options.get("SERVICE", SERVICE)
        self._handling: HandlingArguments = {}
        if "ATTEMPTS" in self.options:
            self._handling["retry"] = Retry(attempts=self.options["ATTEMPTS"])
        if "TIMEOUT" in self.options:
            self._handling["timeout"] = self.options["TIMEOUT"]

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Store a task, in the transaction that is open; gives its result to be.

        Raises what `duly.schedule_event` raises, and InvalidTask where it is none of ours.
        """
        self.validate_task(task)
        now = clock.now(config().database)
        base = part("base")
        result = base.TaskResult(
            task=task,
            id="",
            status=base.TaskResultStatus.READY,
            enqueued_at=now,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=list(args),
            kwargs=dict(kwargs),
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        payload = {
            "task": task.module_path,
            "args": result.args,
            "kwargs": result.kwargs,
            "backend": self.alias,
            "queue": task.queue_name,
            "priority": task.priority,
        }
        handling = self._handling.copy()
        handling["priority"] = _priority(task.priority)
        event = scheduling.schedule_event(
            EVENT_TYPE,
            At.instant(max(task.run_after or now, now)),
            payload=payload,
            service=self._service,
            **handling,
        )
        object.__setattr__(result, "id", str(event.id))
        part("signals").task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Read what a task has come to. Raises TaskResultDoesNotExist."""
        using = config().database
        try:
            id_ = UUID(str(result_id))
            event = ScheduledEvent.objects.using(using).get(id=id_, event_type=EVENT_TYPE)
        except (ValueError, ScheduledEvent.DoesNotExist):
            missing: type[Exception] = part("exceptions").TaskResultDoesNotExist
            raise missing(f"no task has the result id {result_id!r:.60}") from None
        occurrences = Occurrence.objects.using(using).filter(event_id=id_)
        kept = TaskResult.objects.using(using).filter(event_id=id_).first()
        return _result(event, occurrences.order_by("-due_at").first(), kept)


def _priority(given: int) -> int:
    """Give the step that a priority from -100 to 100 belongs to; all below 0 wait like 0."""
    return math.ceil(max(given, 0) * HIGHEST_PRIORITY / _HIGHEST)


def _result(event: ScheduledEvent, row: Occurrence | None, kept: TaskResult | None) -> Any:
    base, payload = part("base"), event.payload
    status = _status(base.TaskResultStatus, event, row)
    errors = [base.TaskError(**error) for error in (kept.errors if kept else ())]
    if row is not None and row.error and len(errors) < row.attempt - row.forgiven:
        # What nobody caught: it was timed out, or its process died.
        kind = "TimeoutError" if row.error.startswith("TimedOut") else "RuntimeError"
        errors.append(base.TaskError(exception_class_path=f"builtins.{kind}", traceback=row.error))
    known = list(kept.worker_ids) if kept else []
    attempts = row.attempt if row else 0
    result = base.TaskResult(
        task=task_of(payload),
        id=str(event.id),
        status=status,
        enqueued_at=event.created_at,
        started_at=row.started_at if row else None,
        finished_at=row.finished_at if row else None,
        last_attempted_at=row.started_at if row else None,
        args=payload["args"],
        kwargs=payload["kwargs"],
        backend=payload["backend"],
        errors=errors,
        worker_ids=[*known, *["unknown"] * (attempts - len(known))],
    )
    if kept is not None and status == base.TaskResultStatus.SUCCESSFUL:
        object.__setattr__(result, "_return_value", kept.return_value)
    return result


def _status(statuses: Any, event: ScheduledEvent, row: Occurrence | None) -> Any:
    if row is None:
        return statuses.FAILED if event.status == EventStatus.CANCELLED else statuses.READY
    match OccurrenceStatus(row.status):
        case OccurrenceStatus.QUEUED | OccurrenceStatus.PENDING:
            return statuses.READY
        case OccurrenceStatus.RUNNING:
            return statuses.RUNNING
        case OccurrenceStatus.SUCCEEDED:
            return statuses.SUCCESSFUL
        case _:
            return statuses.FAILED
