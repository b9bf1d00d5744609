"""A clock that a test sets by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from duly import clock as clocks
from duly.civil.instants import as_instant

# A waiter looks this often, in real time, whether the clock has been moved.
_LOOK_SECONDS = 0.02


class ManualClock:
    """Stands still until it is moved; put it in use with `duly.clock.use`.

    at: where it begins (aware). Raises InvalidTime where that is naive.
    """

    def __init__(self, at: datetime) -> None:
        self._began = as_instant(at)
        self._at: datetime = self._began

    def move(self, by: timedelta) -> None:
        """Move it forward."""
        self._at += by

    def move_to(self, at: datetime) -> None:
        """Move it forward to an instant (aware). Raises InvalidTime where that is naive."""
        self._at = as_instant(at)

    def now(self, using: str) -> datetime:
        return self._at

    def doubt(self, using: str) -> timedelta:
        return timedelta(0)

    def due_by(self, using: str) -> datetime:
        return self._at

    def refresh(self, using: str) -> None:
        pass

    def monotonic(self) -> float:
        return (self._at - self._began).total_seconds()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(_LOOK_SECONDS)


@contextmanager
def standing_still(at: datetime) -> Iterator[ManualClock]:
    """Let duly's clock stand still at an instant (aware), and give it, to be moved."""
    clock = ManualClock(at)
    before = clocks.use(clock)
    try:
        yield clock
    finally:
        clocks.use(before)
