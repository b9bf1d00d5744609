"""The Celery app of a project that has duly: the settings of the bare one, and its tasks found."""

from __future__ import annotations

import os

from celery import Celery  # type: ignore[import-untyped,unused-ignore]

from benchmarks.firing.place import REDIS_VARIABLE

app = Celery("duly", broker=os.environ[REDIS_VARIABLE])
app.conf.update(
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
    enable_utc=True,
    timezone="UTC",
    worker_hijack_root_logger=False,
)
app.autodiscover_tasks()
