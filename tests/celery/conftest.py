"""Workers of Celery that tests start, on a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.db import connections

import duly
from duly import At, brokers
from duly.celery import CeleryPublisher
from duly.engine.loop import Engine
from duly.engine.targets import publish_by
from duly.policy.service import CeleryTarget
from duly.testing.servers import RedisServer
from tests.celery.workers import LEASE, CeleryProcesses, Twice
from tests.engine.conftest import handle, start_engine

__all__ = ["celery", "due_now", "handing_over", "handle", "redis", "start_engine", "using"]


@pytest.fixture
def using(settings: Any, database: str) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    with connections[database].cursor() as cursor:
        cursor.execute("CREATE TABLE celery_effect (key text)")
    yield database
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE celery_effect")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Give a Redis of the test's own, which keeps what it took."""
    with RedisServer(durable=True) as server:
        yield server


@pytest.fixture
def celery(
    using: str, database_url: str, redis: RedisServer, tmp_path: Path
) -> Iterator[CeleryProcesses]:
    processes = CeleryProcesses(database_url, redis.url, tmp_path)
    yield processes
    processes.end()


@pytest.fixture
def handing_over(
    using: str, redis: RedisServer, settings: Any, start_engine: Callable[..., Engine]
) -> Iterator[Twice]:
    """Start an engine that hands over all that is due to the queue "site"."""
    app = Celery("publishing", broker=redis.url, set_as_current=False)
    publisher = Twice(CeleryPublisher("site", app=app))
    services = {"default": {"target": "celery", "queue": "site"}}
    settings.DULY = {**settings.DULY, "SERVICES": services}
    publish_by(CeleryTarget, lambda target: publisher)
    start_engine(lease=LEASE, horizon=LEASE / 6)
    yield publisher
    brokers.register()
    app.close()


def due_now(event_type: str, payload: object = None, timeout: float | None = None) -> str:
    """Schedule an event for now; gives its idempotency key."""
    now = At.instant(datetime.now(UTC))
    event = duly.schedule_event(event_type, now, payload=payload, timeout=timeout)
    assert event.next_at is not None
    return f"{event.id}:{event.next_at.isoformat()}"
