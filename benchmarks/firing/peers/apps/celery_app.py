"""Celery's application: one task, and the ways to hand it out."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime

from celery import Celery  # type: ignore[import-untyped,unused-ignore]

from benchmarks.firing import instants
from benchmarks.firing.place import REDIS_VARIABLE
from benchmarks.firing.records import note

app = Celery("firing", broker=os.environ[REDIS_VARIABLE])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
    beat_max_loop_interval=0.1,
    enable_utc=True,
    timezone="UTC",
    worker_hijack_root_logger=False,
)


@app.task(name="firing")  # type: ignore[untyped-decorator,unused-ignore]
def fire(due: float) -> None:
    note(due)


def schedule(path: str) -> None:
    dues = instants.read(path)
    if os.environ.get("FIRING_BY_BEAT"):
        _store_rows(dues)
        return
    now = time.time()
    with app.producer_pool.acquire(block=True) as producer:
        for due in dues:
            eta = datetime.fromtimestamp(due, UTC) if due > now else None
            fire.apply_async((due,), eta=eta, producer=producer)


def send(path: str) -> None:
    """Send one message for each, and wait to be ended."""
    schedule(path)
    time.sleep(3600)


def create_beat_tables() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _store_rows(dues: list[float]) -> None:
    import django

    django.setup()
    from django_celery_beat.models import (  # type: ignore[import-untyped,unused-ignore]
        ClockedSchedule,
        PeriodicTask,
        PeriodicTasks,
    )

    clocks = ClockedSchedule.objects.bulk_create(
        [ClockedSchedule(clocked_time=datetime.fromtimestamp(due, UTC)) for due in dues]
    )
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(
                name=f"firing {number}",
                task="firing",
                clocked=clock,
                one_off=True,
                args=json.dumps([due]),
            )
            for number, (due, clock) in enumerate(zip(dues, clocks, strict=True))
        ]
    )
    PeriodicTasks.update_changed()
