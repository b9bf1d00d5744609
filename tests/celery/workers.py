"""Celery's own processes, and an engine that hands occurrences to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from duly.errors import BrokerUnavailable
from duly.store.rows import Claim

LEASE = timedelta(seconds=3)
ROOT = Path(__file__).parents[2]


class CeleryProcesses:
    """Starts `celery worker` and `celery beat` on a broker and a database."""

    def __init__(self, database_url: str, broker: str, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "celery.log"
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "DJANGO_SETTINGS_MODULE": "duly.service.settings",
            "DULY_DATABASE_URL": database_url,
            "DULY_HANDLERS": "tests.celery.site",
            "DULY_LEASE_SECONDS": str(LEASE.total_seconds()),
            "DULY_HORIZON_SECONDS": "0.5",
            "PROBE_BROKER": broker,
            "PROBE_DIRECTORY": str(directory),
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker; it takes messages once it is ready."""
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        return self.launch("worker", "--loglevel=INFO", *quiet, *options)

    def launch(self, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start one of Celery's programs in a process group of its own."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.celery.site", *options],
                env={**self.environment, **variables},
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def end(self) -> None:
        """Kill whatever still runs, children included."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def effects(self) -> list[dict[str, Any]]:
        """Read what was done; a line that a kill cut off is no effect."""
        lines = [
            line
            for path in self.directory.glob("effects-*.jsonl")
            for line in path.read_text().splitlines(keepends=True)
        ]
        return [json.loads(line) for line in lines if line.endswith("\n")]


class Publishes(Protocol):
    """Whatever messages are published with."""

    def publish(self, claims: Sequence[Claim]) -> None: ...

    def close(self) -> None: ...


class Twice:
    """Sends each message twice: a broker promises no better. Counts what it could not send."""

    def __init__(self, publisher: Publishes) -> None:
        self._publisher = publisher
        self.refused = 0

    def publish(self, claims: Sequence[Claim]) -> None:
        try:
            self._publisher.publish([*claims, *claims])
        except BrokerUnavailable:
            self.refused += len(claims)
            raise

    def close(self) -> None:
        self._publisher.close()
