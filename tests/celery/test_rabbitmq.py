"""The same on RabbitMQ, where the distribution has one: what it confirmed outlives its death."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from celery import Celery

import duly
from duly import At, NewEvent
from duly.celery import CeleryPublisher
from duly.errors import BrokerUnavailable
from duly.models import Occurrence
from duly.store.backends import open_store
from tests import builders
from tests.celery.rabbitmq import SERVER, RabbitServer
from tests.celery.workers import CeleryProcesses
from tests.faults.engines import eventually

pytestmark = [
    pytest.mark.only_postgres,
    pytest.mark.skipif(not SERVER.exists(), reason=f"RabbitMQ is not installed: no {SERVER}"),
]
MESSAGES = 50


@pytest.fixture
def rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


def test_what_was_confirmed_runs_once_though_the_broker_is_killed(
    using: str, database_url: str, rabbit: RabbitServer, tmp_path: Path
) -> None:
    app = Celery("publishing", broker=rabbit.url, set_as_current=False)
    publisher = CeleryPublisher("site", app=app, priority=3)
    now = datetime.now(UTC)
    duly.schedule_events([NewEvent("note", At.instant(now)) for _ in range(MESSAGES)])
    claims = builders.claim(open_store(using), datetime.now(UTC))

    publisher.publish(claims[1:])
    rabbit.signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="'site' took not all of 1 message"):
        publisher.publish(claims[:1])
    assert time.monotonic() - began < 7
    rabbit.signal(signal.SIGCONT)
    rabbit.kill()
    with pytest.raises(BrokerUnavailable):
        publisher.publish(claims[:1])
    rabbit.start()
    publisher.publish(claims[:1])

    processes = CeleryProcesses(database_url, rabbit.url, tmp_path)
    processes.worker("--concurrency=2")
    try:
        eventually(
            lambda: Occurrence.objects.using(using).filter(status="succeeded").count() == MESSAGES,
            25,
            "the end of all",
        )
    finally:
        processes.end()
    assert set(Counter(one["key"] for one in processes.effects()).values()) == {1}
    publisher.close()
