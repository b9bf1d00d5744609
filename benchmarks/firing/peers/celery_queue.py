"""Celery on Redis, plain: a queue of messages, nothing of which is durable."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.firing.contender import Peer

WORKER = [
    *("-m", "celery", "-A", "benchmarks.firing.peers.apps.celery_app:app", "worker"),
    *("--pool", "prefork", "--concurrency", "2", "--loglevel", "ERROR"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]


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
