"""Workers of Celery that tests start, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.db import connections

import duly
from duly import At
from duly.celery import CeleryPublisher
from duly.testing.servers import RedisServer
from tests.celery.workers import CeleryProcesses, HandingOver
from tests.engine.conftest import handle

__all__ = ["celery", "due_now", "handing_over", "handle", "redis", "using"]


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
def handing_over(using: str, redis: RedisServer) -> Iterator[HandingOver]:
    """Publish what is due to the queue "site", as an engine would."""
    app = Celery("publishing", broker=redis.url, set_as_current=False)
    publisher = CeleryPublisher("site", app=app)
    with HandingOver(using, publisher) as handing_over:
        yield handing_over
    publisher.close()
    app.close()


def due_now(event_type: str, payload: object = None, timeout: float | None = None) -> str:
    """Schedule an event for now; gives its idempotency key."""
    now = At.instant(datetime.now(UTC))
    event = duly.schedule_event(event_type, now, payload=payload, timeout=timeout)
    assert event.next_at is not None
    return f"{event.id}:{event.next_at.isoformat()}"
