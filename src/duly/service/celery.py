"""The Celery app of the standalone project: `celery --app duly.service.celery worker`.

DULY_CELERY_BROKER_URL: such as redis://localhost:6379/0. Where it is set, engines publish with
    this app.
"""

from __future__ import annotations

import os

from celery import Celery

from duly.service.broker import VARIABLE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duly.service.settings")

app = Celery("duly", broker=os.environ.get(VARIABLE))
# Attempts are duly's to keep: what a worker lost is handed out again when its lease runs out.
app.conf.update(broker_connection_retry_on_startup=True, task_ignore_result=True)
app.autodiscover_tasks()
