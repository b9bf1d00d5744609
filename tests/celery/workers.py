"""Celery's own processes, and an engine that hands occurrences to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from django.db import connections

from duly import clock
from duly.engine.recover import rescue
from duly.errors import BrokerUnavailable
from duly.store.backends import open_store
from duly.store.rows import Claim
from tests import builders

LEASE = timedelta(seconds=3)


class CeleryProcesses:
    """Starts `celery worker` and `celery beat` on a broker and a database."""

    def __init__(self, database_url: str, broker: str, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "celery.log"
        self.environment = os.environ | {
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

    def publish(self, claims: list[Claim]) -> None: ...


class HandingOver:
    """What an engine does for a service whose target is a queue, and nothing else."""

    def __init__(self, using: str, publisher: Publishes) -> None:
        self._using = using
        self._store = open_store(using)
        self._publisher = publisher
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.refused = 0

    def __enter__(self) -> HandingOver:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        holder = uuid4()
        try:
            while not self._stopping.is_set():
                now = clock.now(self._using)
                terms: Mapping[str, Any] = {
                    "now": now,
                    "until": now,
                    "limit": 100,
                    "lease_until": now + LEASE,
                    "holder": holder,
                }
                rescue(self._store, now)
                born = self._store.claim_due(**terms, advance=builders.finished)
                self._hand_over([*self._store.claim_waking(**terms), *born.waiting])
                self._stopping.wait(0.02)
        finally:
            connections.close_all()

    def _hand_over(self, claims: list[Claim]) -> None:
        try:
            # Each message twice: a broker promises no better.
            self._publisher.publish([*claims, *claims])
        except BrokerUnavailable:
            # They wait for their lease to run out; no attempt is spent.
            self.refused += len(claims)
