"""The connections that this process keeps open to its targets."""

from __future__ import annotations

import threading

from duly.engine.targets.guarded_connection import GuardedConnection, connection_to
from duly.policy.http_target import HttpTarget

# To all targets together: each is a file descriptor, of which a process has few.
MOST_IDLE = 64
# Below what usual servers wait before they close (5 s): a request that crosses their
# goodbye would be lost.
KEEP_SECONDS = 4.0


class GuardedPool:
    """Idle connections, the latest used last; each belongs to one delivery at a time."""

    def __init__(self, most_idle: int = MOST_IDLE, keep_seconds: float = KEEP_SECONDS) -> None:
        self._most_idle = most_idle
        self._keep_seconds = keep_seconds
        self._idle: list[tuple[float, GuardedConnection]] = []
        self._lock = threading.Lock()

    def take(self, target: HttpTarget, now: float) -> GuardedConnection:
        """Give a connection to a target, an idle one if it still lives.

        now: seconds on the monotonic clock. Raises ConfigurationError.
        """
        while (connection := self._pop(target, now)) is not None:
            if connection.is_connected:
                return connection
            connection.close()
        return connection_to(target)

    def give_back(self, connection: GuardedConnection, now: float) -> None:
        """Keep a connection whose last answer was read to its end."""
        if connection.is_closed:
            return
        with self._lock:
            self._idle.append((now, connection))
            over = self._idle[: -self._most_idle]
            del self._idle[: len(over)]
        for _, oldest in over:
            oldest.close()

    def close(self) -> None:
        """Close all that is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _pop(self, target: HttpTarget, now: float) -> GuardedConnection | None:
        with self._lock:
            old = [item for item in self._idle if now - item[0] > self._keep_seconds]
            self._idle = self._idle[len(old) :]
            places = reversed(range(len(self._idle)))
            place = next((at for at in places if self._idle[at][1].target == target), None)
            found = None if place is None else self._idle.pop(place)[1]
        for _, connection in old:
            connection.close()
        return found
