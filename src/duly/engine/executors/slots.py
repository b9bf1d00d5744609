"""Places for attempts, reserved while it is decided what begins."""

from __future__ import annotations

from collections import Counter

from duly import registry
from duly.engine.executors.base import Executor


class Slots:
    """Reserved places of each kind of executor; what is not used must be given back."""

    def __init__(self, plain: Executor, asynchronous: Executor) -> None:
        self._plain = plain
        self._asynchronous = asynchronous
        self._reserved: Counter[Executor] = Counter()
        self._left: Counter[Executor] = Counter()
        self.missed: set[Executor] = set()
        """Those that something was not started for want of a place."""

    def reserve(self, executor: Executor, most: int) -> int:
        """Reserve places, `most` at the most; gives how many."""
        places = executor.reserve(most) if most > 0 else 0
        self._reserved[executor] += places
        self._left[executor] += places
        if not places:
            self.missed.add(executor)
        return places

    def take(self, registration: registry.Registration) -> bool:
        """Take one reserved place for a handler; False where there is none."""
        executor = self._asynchronous if registration.is_async else self._plain
        if self._left[executor] <= 0:
            self.missed.add(executor)
            return False
        self._left[executor] -= 1
        return True

    def total(self) -> int:
        """Say how many places are left."""
        return self._left.total()

    def types_without(self) -> frozenset[str]:
        """Give the event types whose handlers have no place."""
        return frozenset().union(
            *(
                registry.types_of(is_async=executor is self._asynchronous)
                for executor in (self._plain, self._asynchronous)
                if self._left[executor] <= 0
            )
        )

    def give_back(self, used: Counter[Executor]) -> None:
        """Give back what was reserved and is not among those used."""
        for executor, places in self._reserved.items():
            if unused := places - used[executor]:
                executor.give_back(unused)
