"""One limit for all of a delivery: a drip of one byte a second keeps no timeout from running."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any


class Deadline:
    """The end of the time that a delivery may take."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._ends_at = monotonic() + seconds

    def left(self) -> float:
        """Give the seconds that are left. Raises TimeoutError once there are none."""
        left = self._ends_at - self._monotonic()
        if left <= 0:
            raise TimeoutError(f"not done within {self._seconds:g} s")
        return left


class DeadlineSocket(socket.socket):
    """A socket whose every operation ends by the deadline of the delivery that uses it."""

    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._limit()
        super().sendall(*args, **kwargs)

    def _limit(self) -> None:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """The same, encrypted; for `SSLContext.sslsocket_class`."""
