"""What the dispatcher asks of an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from duly.engine.execute import Attempt
from duly.policy.outcome import Outcome

Enter = Callable[[Attempt], bool]
"""Is asked right before a handler begins whether it may."""
Ended = Callable[[Attempt, Outcome | None], None]
"""Is told what came of an attempt; None: its handler was not to begin any more."""


class Executor(Protocol):
    """Runs started attempts, a bounded number at once."""

    def start(self) -> None:
        """Make ready to run."""
        ...

    def room(self) -> int:
        """Say how many more attempts may be started now, to begin at once or in a moment."""
        ...

    def reserve(self, most: int) -> int:
        """Take places for attempts that are about to be started; gives how many, `most` or less."""
        ...

    def give_back(self, places: int) -> None:
        """Give back reserved places that nothing was submitted for."""
        ...

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts in reserved places; `ended` is called as each has ended."""
        ...

    def submit_batch(self, attempts: Sequence[Attempt]) -> None:
        """Run attempts together, in one reserved place."""
        ...

    def stop(self) -> None:
        """Take nothing more; attempts that still run are left to the end of the process."""
        ...
