"""The project that runs django-tasks-db: one task, its tables, its worker."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.firing.peers.apps.django_tasks_db_settings"

import django
from django.core.management import call_command

django.setup()

from django_tasks import task  # noqa: E402 - Django must be ready
from django_tasks_db.models import DBTaskResult  # noqa: E402

from benchmarks.firing import instants  # noqa: E402
from benchmarks.firing.records import note  # noqa: E402


@task()
def fire(due: float) -> None:
    note(due)


def create_tables() -> None:
    call_command("migrate", verbosity=0)


def schedule(path: str) -> None:
    # It has no bulk: the rows that `enqueue` would make, one by one, are made at once.
    rows: list[DBTaskResult[..., None]] = [
        DBTaskResult(
            args_kwargs={"args": [due], "kwargs": {}},
            priority=fire.priority,
            task_path=fire.module_path,
            queue_name=fire.queue_name,
            run_after=datetime.fromtimestamp(due, UTC),
            backend_name="default",
        )
        for due in instants.read(path)
    ]
    DBTaskResult.objects.bulk_create(rows, batch_size=5_000)


def schedule_soon(times: str) -> list[float]:
    dues = []
    for _ in range(int(times)):
        due = round(time.time() + 1.0, 6)
        fire.using(run_after=datetime.fromtimestamp(due, UTC)).enqueue(due)
        dues.append(due)
        time.sleep(1.0)
    return dues


def work() -> None:
    call_command("db_worker", interval=0.1, startup_delay=False, reload=False, verbosity=0)
