"""What becomes of a beat entry that is due: its task is sent.

Registered in every process of the project, whose engines may all send it. Celery is imported
only once there is something to send.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from duly import scheduling
from duly.civil.at import At
from duly.conf import config
from duly.models import ScheduledEvent
from duly.policy.retry import GiveUp, Retry
from duly.policy.states import EventStatus
from duly.registry import Occurrence, handler

EVENT_TYPE = "celery.send_task"
SERVICE = "celery.beat"
ACTOR = "celery beat"
# A broker may be away for an hour or two; beat itself would drop what comes due meanwhile.
RETRY = Retry(attempts=30, base=timedelta(seconds=2), cap=timedelta(minutes=5))


@handler(EVENT_TYPE, retry=RETRY, timeout=60)
def send_task(occurrence: Occurrence) -> None:
    """Send the task of an entry, under an id that is the same on every attempt."""
    from celery.beat import _evaluate_entry_args, _evaluate_entry_kwargs

    from duly.celery.project import project_app

    app = project_app()
    said: dict[str, Any] = occurrence.payload
    entry = dict(said) if "task" in said else _entry(app, said["entry"])
    if said.get("is_asked"):
        _schedule_next(app, said, occurrence)
    options = dict(entry.get("options") or {})
    options["headers"] = {**options.get("headers", {}), "celery_beat_task": True}
    options.setdefault("task_id", str(occurrence.id))
    args = _evaluate_entry_args(entry.get("args"))
    kwargs = _evaluate_entry_kwargs(entry.get("kwargs"))
    task = app.tasks.get(entry["task"])
    if task is not None:
        task.apply_async(args, kwargs, **options)
    else:
        app.send_task(entry["task"], args, kwargs, **options)


def _schedule_next(app: Any, said: dict[str, Any], occurrence: Occurrence) -> None:
    """Schedule an entry again that is asked for its next run, unless that has been done."""
    event = ScheduledEvent.objects.using(config().database).get(id=occurrence.event_id)
    if event.status != EventStatus.FINISHED:
        return  # By an attempt before this one; or somebody has paused it, or cancelled it.
    from celery.schedules import maybe_schedule

    from duly.celery.schedules import next_run

    entry = _entry(app, said["entry"])
    schedule = maybe_schedule(entry["schedule"], entry.get("relative", False), app=app)
    scheduling.schedule_event(
        EVENT_TYPE,
        At.instant(next_run(schedule, occurrence.due_at)),
        payload=said,
        key=occurrence.key,
        service=occurrence.service,
        actor=ACTOR,
    )


def _entry(app: Any, name: str) -> dict[str, Any]:
    found = app.conf.beat_schedule.get(name)
    if found is None:
        raise GiveUp(f"beat_schedule has no entry {name!r} any more")
    return dict(found)
