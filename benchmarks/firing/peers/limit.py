"""The limit: the statements of duly's own store, one after the other, and no engine."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.firing.peers.duly_engine import DulyEngine


class Limit(DulyEngine):
    """Begin, handle and finish in batches of 500, on one connection, in one thread.

    What an engine adds (threads, timers, leases, a queue of outcomes) is the distance to it.
    """

    name = "limit"
    packages: ClassVar[tuple[str, ...]] = ()
    configured = "duly's statements on one connection, batches of 500, no engine"
    most_stored: ClassVar[int] = 0

    def commands(self) -> list[list[str]]:
        module = f"benchmarks.firing.peers.apps.{self.app}"
        return [["-m", "benchmarks.firing.call", module, "fire_by_statements"]]
