"""Places for attempts, reserved while it is decided what begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol


class Places(Protocol):
    """Something that takes a bounded number of occurrences at once."""

    def room(self) -> int:
        """Say how many more it takes now."""
        ...

    def reserve(self, most: int) -> int:
        """Take places; gives how many, `most` or less."""
        ...

    def give_back(self, places: int) -> None:
        """Give back reserved places that nothing came for."""
        ...


class Slots:
    """Reserved places of each executor; what is not used must be given back."""

    def __init__(self) -> None:
        self._reserved: Counter[Places] = Counter()
        self._left: Counter[Places] = Counter()
        self.missed: set[Places] = set()
        """Those that something was not started for want of a place."""

    def reserve(self, executor: Places, most: int) -> int:
        """Reserve places, `most` at the most; gives how many."""
        places = executor.reserve(most) if most > 0 else 0
        self._reserved[executor] += places
        self._left[executor] += places
        if not places:
            self.missed.add(executor)
        return places

    def take(self, executor: Places) -> bool:
        """Take one reserved place; False where there is none."""
        if self._left[executor] <= 0:
            self.missed.add(executor)
            return False
        self._left[executor] -= 1
        return True

    def left(self, executors: Iterable[Places]) -> int:
        """Say how many places of these are left."""
        return sum(self._left[executor] for executor in executors)

    def give_back(self, used: Counter[Places]) -> None:
        """Give back what was reserved and is not among those used."""
        for executor, places in self._reserved.items():
            if unused := places - used[executor]:
                executor.give_back(unused)
