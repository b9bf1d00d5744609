"""What was found a moment ago, kept for whoever else asks: ten viewers cost as much as one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from duly import clock

_Found = TypeVar("_Found")


class Kept:
    """Findings by name. Who asks while another is finding out waits for that finding."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, seconds: float, find: Callable[[], _Found]) -> _Found:
        """Give what was found within so many seconds, or find it now; what fails is not kept."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            now = clock.current().monotonic()
            before = self._found.get(name)
            if before is None or not 0 <= now - before[0] < seconds:
                before = self._found[name] = (now, find())
            found: _Found = before[1]
            return found

    def forget(self) -> None:
        """Find everything anew (tests do)."""
        with self._lock:
            self._found.clear()


kept = Kept()
