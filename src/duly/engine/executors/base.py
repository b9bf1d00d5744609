"""What the dispatcher asks of an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from duly.engine.execute import Attempt
from duly.policy.outcome import Outcome

Ended = Callable[[Attempt, Outcome], None]


class Executor(Protocol):
    """Runs started attempts, a bounded number at once."""

    def start(self) -> None:
        """Make ready to run."""
        ...

    def free(self) -> int:
        """Say how many more attempts would begin at once."""
        ...

    def submit(self, attempt: Attempt) -> None:
        """Run an attempt; what it was built with is called when it has ended."""
        ...

    def stop(self) -> None:
        """Take nothing more; attempts that still run are left to the end of the process."""
        ...
