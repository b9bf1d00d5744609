"""The Celery app of a campaign: its workers run what engines, and beats, hand over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from duly import telemetry
from tests.faults.campaign import logs
from tests.faults.campaign.crew import BEAT_SECONDS, READY

NOTED = frozenset({"messages.ignored", "target.away", "occurrences.handed_over"})
# Messages of a worker that died come back from Redis by themselves as well, and soon.
VISIBILITY_SECONDS = 6

broker = os.environ[logs.BROKER_VARIABLE]
app = Celery("campaign", broker=broker)
app.conf.update(
    task_default_queue="beats",
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=4,
    broker_transport_options=(
        {"visibility_timeout": VISIBILITY_SECONDS} if broker.startswith("redis") else {}
    ),
    beat_schedule={"tick": {"task": "campaign.tick", "schedule": BEAT_SECONDS}},
)
app.autodiscover_tasks()
_log = logs.Log(Path(os.environ[logs.DIRECTORY_VARIABLE]), "told")


@app.task(name="campaign.tick", ignore_result=True)  # type: ignore[untyped-decorator]
def tick() -> None:
    """What beat sends; nobody takes it."""


@worker_ready.connect  # type: ignore[untyped-decorator]
def _note_readiness(**fields: Any) -> None:
    _log.write(name=READY, pid=os.getpid(), at=logs.now(), count=1)


def _note(name: str, fields: Mapping[str, Any]) -> None:
    if name in NOTED:
        _log.write(name=name, pid=os.getpid(), at=logs.now(), count=fields.get("count", 1))


telemetry.subscribe(_note)
