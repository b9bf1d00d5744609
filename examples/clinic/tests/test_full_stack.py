"""The same clinic on PostgreSQL, Redis and Celery: real servers, a real worker, a real beat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from duly.testing.servers import PostgresServer, RedisServer

ROOT = Path(__file__).parents[1]
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class FullStack:
    """The project on servers of its own."""

    def __init__(self, database_url: str, redis_url: str, logs: Path) -> None:
        self._logs = logs
        self._environment = os.environ | {
            "CLINIC_STACK": "full",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "clinic.settings",
            "PYTHONUNBUFFERED": "1",
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py to its end; gives what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def celery(self, name: str, *options: str) -> None:
        """Start one of Celery's programs."""
        with (self._logs / name).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "clinic", name, *options],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)

    def said(self, name: str) -> str:
        """Give what one of Celery's programs has printed."""
        return (self._logs / name).read_text()

    def sagas(self) -> dict[str, str]:
        """Say how each saga stands, by its key."""
        found: list[dict[str, Any]] = json.loads(self.manage("duly", "saga", "list", "--json"))
        return {saga["key"]: saga["status"] for saga in found}

    def end(self) -> None:
        """Kill what still runs, children included."""
        for process in self._running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[FullStack]:
    with ExitStack() as servers:
        postgres = servers.enter_context(PostgresServer())
        redis = servers.enter_context(RedisServer())
        stack = FullStack(postgres.url, redis.url, tmp_path)
        servers.callback(stack.end)
        yield stack


def eventually(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(0.05)


def test_a_booking_and_a_no_show_run_through_celery(stack: FullStack) -> None:
    stack.celery("worker", "--queues=communication,billing", "--concurrency=1", *QUIET)
    stack.manage("migrate", "-v0")
    stack.celery("beat", "-S", "duly.celery:Scheduler", "--pidfile=")
    stack.manage("seed_clinic", "--no-show-in", "0")

    def logs() -> str:
        return stack.said("worker") + stack.said("beat")

    eventually(lambda: "Guten Tag Ben" in stack.said("worker"), logs)
    eventually(lambda: "Subject: We missed you" in stack.said("worker"), logs)
    stack.manage("duly", "saga", "signal", "booking:4", "confirmation")

    done = {"booking:4": "completed", "no-show:3": "completed"}
    eventually(lambda: stack.sagas() == done, logs)
    assert "Subject:" not in stack.said("beat")
