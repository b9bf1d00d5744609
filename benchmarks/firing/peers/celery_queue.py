"""Celery on Redis, plain: a queue of messages, nothing of which is durable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.firing import instants
from benchmarks.firing.contender import Peer

CHILDREN_VARIABLE = "FIRING_CHILDREN"
APP = "benchmarks.firing.peers.apps.celery_app:app"


def worker(app: str) -> list[str]:
    """Give the command of a worker; of two children unless the command line says otherwise."""
    return [
        *("-m", "celery", "-A", app, "worker"),
        *(
            "--pool",
            "prefork",
            "--concurrency",
            os.environ.get(CHILDREN_VARIABLE, "2"),
            "--loglevel",
            "ERROR",
        ),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


WORKER = worker(APP)


class CeleryQueue(Peer):
    """No results, prefetching of 64 for each child: what its guide says of short tasks."""

    name = "celery"
    app = "celery_app"
    needs: ClassVar[tuple[str, ...]] = ("celery", "redis")
    packages: ClassVar[tuple[str, ...]] = ("celery", "kombu", "redis")
    needs_redis = True
    configured = "one worker, prefork, 2 children, prefetch 64, results ignored; not durable"

    def commands(self) -> list[list[str]]:
        return [WORKER]

    def make_tables(self) -> None:
        """It has none."""


class CelerySent(CeleryQueue):
    """The same, and the messages are sent while it works: as whoever calls `delay` sends them."""

    name = "celery-sent"
    configured = "as celery, and the messages sent by another process meanwhile"

    def prepare(self, dues: Sequence[float]) -> None:
        instants.write(self._path, dues)

    def commands(self) -> list[list[str]]:
        call = ["-m", "benchmarks.firing.call", "benchmarks.firing.peers.apps.celery_app"]
        return [WORKER, [*call, "send", str(self._path)]]

    @property
    def _path(self) -> Path:
        return self.place.folder / "dues"
