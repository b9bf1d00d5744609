"""`duly run --once` where what is due goes to a queue."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from duly.models import Occurrence
from duly.testing.servers import RedisServer
from tests.celery.conftest import due_now
from tests.celery.workers import CeleryProcesses

pytestmark = pytest.mark.only_postgres
SECONDS = 40
SERVICES = json.dumps({"default": {"target": "celery", "queue": "site"}})


@pytest.fixture
def once(using: str, celery: CeleryProcesses) -> Iterator[subprocess.Popen[str]]:
    due_now("note")
    process = subprocess.Popen(
        [sys.executable, "-m", "duly", "run", "--once"],
        env={**celery.environment, "DULY_SERVICES": SERVICES, "DULY_LEASE_SECONDS": "60"},
        cwd=celery.directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def test_what_a_queue_has_taken_is_done_though_no_worker_runs_it(
    using: str, redis: RedisServer, once: subprocess.Popen[str]
) -> None:
    told, _ = once.communicate(timeout=SECONDS)

    assert once.returncode == 0, told
    assert "1 handed over and not begun yet" in told
    assert Occurrence.objects.using(using).get().status == "queued"


@pytest.fixture
def no_broker(redis: RedisServer) -> RedisServer:
    redis.stop()
    return redis


def test_it_says_for_which_queue_it_waits_and_ends_when_that_is_there(
    using: str, no_broker: RedisServer, once: subprocess.Popen[str]
) -> None:
    watchdog = threading.Timer(SECONDS, once.kill)
    watchdog.start()
    assert once.stdout is not None
    lines = [next(once.stdout), next(once.stdout)]
    no_broker.start()
    told, _ = once.communicate(timeout=SECONDS)
    watchdog.cancel()

    assert "waits for 1 note queued for celery queue 'site'" in lines[1]
    assert once.returncode == 0, told
