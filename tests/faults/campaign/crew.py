"""Celery's prefork workers: a parent and its pool, which can be hit apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.faults.campaign import logs
from tests.faults.campaign.brokers import QUEUE

WORKERS = 2
POOL = 2
READY = "worker.ready"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
BEAT_SECONDS = 1.0
WORKER = [
    *(sys.executable, "-m", "celery", "-A", "tests.faults.campaign.celery_app", "worker"),
    *("--queues", QUEUE, "--pool=prefork", f"--concurrency={POOL}", "--loglevel=WARNING"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]


class Crew:
    """Starts workers, and has enough of them."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self.workers: list[Popen[bytes]] = []
        self._ever: list[Popen[bytes]] = []

    def start(
        self, variables: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> Popen[bytes]:
        """Start a worker in a process group of its own; it is not waited for.

        prefix: the command that runs it, such as one that enters a namespace.
        """
        with (self._folder / "workers.log").open("ab") as log:
            worker = Popen(
                [*prefix, *WORKER, f"--hostname=w{len(self._ever)}@campaign"],
                env={**self._environment, **(variables or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        self._ever.append(worker)
        return worker

    def reap(self) -> None:
        """Forget workers that have ended, and have enough of them."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < WORKERS:
            self.start()

    def await_ready(self) -> None:
        """Wait until as many workers as there are have begun to take messages."""
        told, ready = logs.Tail(self._folder, "told", from_start=True), 0
        end = time.monotonic() + READY_SECONDS
        while ready < len(self.workers):
            ready += sum(line["name"] == READY for line in told.new())
            assert time.monotonic() < end, (self._folder / "workers.log").read_text()[-4000:]
            time.sleep(0.1)

    def end(self) -> None:
        """End every worker, and what is left of those that were killed."""
        for worker in self.workers:
            signal_group(worker, signal.SIGCONT)
            worker.terminate()
        for worker in self.workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(STOP_SECONDS)
        for worker in self._ever:
            signal_group(worker, signal.SIGKILL)
            worker.wait()


def pool_of(worker: Popen[bytes]) -> list[int]:
    """Give the process ids of a worker's pool; none where it has ended."""
    try:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in children.split()]


def signal_group(worker: Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a worker and to its pool."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, number)


def await_effect(
    tail: logs.Tail, pids: Sequence[int], seconds: float, *, slow: bool = False
) -> dict[str, Any] | None:
    """Wait for an effect by one of these processes; None where there is none in time.

    slow: for one whose handler goes on for a while.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for effect in tail.new():
            if effect["pid"] in pids and (effect["type"] == "slow" or not slow):
                return effect
        time.sleep(0.02)
    return None
