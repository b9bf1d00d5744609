"""What was found a moment ago, kept for whoever else asks: ten viewers cost as much as one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from duly import clock

# Threads answer others too: they are not all to wait for a database that is slow.
LONGEST_WAIT_SECONDS = 5.0
# While somebody finds anew, what is this many times as old as it may be will do.
STALE = 3
_Found = TypeVar("_Found")


class Kept:
    """Findings by name. Of those who ask at once, one finds, and the others take what he finds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, seconds: float, find: Callable[[], _Found]) -> _Found:
        """Give what was found within so many seconds, or find it now; what fails is not kept.

        Raises TimeoutError where another has been finding it for LONGEST_WAIT_SECONDS.
        """
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        is_there, found = self._look(name, seconds)
        if is_there:
            return found  # type: ignore[no-any-return]
        is_stale, found = self._look(name, STALE * seconds)
        if not lock.acquire(timeout=0.0 if is_stale else LONGEST_WAIT_SECONDS):
            if is_stale:
                return found  # type: ignore[no-any-return]
            raise TimeoutError(f"{name} has been looked for these {LONGEST_WAIT_SECONDS:g} s")
        try:
            is_there, found = self._look(name, seconds)
            if not is_there:
                found = find()
                self._found[name] = (clock.current().monotonic(), found)
            return found  # type: ignore[no-any-return]
        finally:
            lock.release()

    def forget(self) -> None:
        """Find everything anew (tests do)."""
        self._found.clear()

    def _look(self, name: str, seconds: float) -> tuple[bool, Any]:
        at, found = self._found.get(name, (None, None))
        if at is None:
            return False, None
        return 0 <= clock.current().monotonic() - at < seconds, found


kept = Kept()
