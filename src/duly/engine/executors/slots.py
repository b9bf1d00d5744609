"""Places for attempts, counted while it is decided what begins."""

from __future__ import annotations

from duly import registry
from duly.engine.executors.base import Executor


class Slots:
    """Places for attempts, of each kind of handler, as they are taken."""

    def __init__(self, plain: Executor, asynchronous: Executor, free: dict[Executor, int]) -> None:
        self._plain = plain
        self._asynchronous = asynchronous
        self._free = free

    def take(self, registration: registry.Registration) -> bool:
        """Take one place for a handler; False where there is none."""
        executor = self._asynchronous if registration.is_async else self._plain
        self._free[executor] -= 1
        return self._free[executor] >= 0

    def total(self) -> int:
        """Say how many places there are for the handlers that this process has."""
        return sum(
            max(0, room)
            for executor, room in self._free.items()
            if executor is self._plain or registry.has_async()
        )
