"""Seal: a thread that seals the ledger now and then, so that tampering is found."""

from __future__ import annotations

import threading

from django.db import connections

from duly.clock import Clock
from duly.store import seals
from duly.telemetry import emit

SEAL_SECONDS = 60.0
# Of its processor time: firings share the interpreter, and what waits for a second is late.
REST_SHARE = 4.0


class Sealer:
    """Seals what has been written; any number of engines may, and one of them wins."""

    def __init__(self, using: str, clock: Clock) -> None:
        self._using = using
        self._clock = clock
        self._stopping = threading.Event()
        self._next = 0.0
        """When the next round is to begin, on the monotonic clock."""
        self._thread = threading.Thread(target=self._run, name="duly-sealer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        pause = SEAL_SECONDS
        while not self._stopping.wait(pause):
            self._next = self._clock.monotonic() + SEAL_SECONDS
            try:
                while not self._stopping.is_set() and seals.seal(
                    self._using, self._clock.now(self._using), self._rest
                ):
                    pass
            except Exception as error:
                emit("engine.faulted", part="seal", error=repr(error), wait_seconds=SEAL_SECONDS)
            finally:
                connections.close_all()
            pause = max(0.0, self._next - self._clock.monotonic())

    def _rest(self, spent: float) -> None:
        """Let others run; who is behind rests no more, and keeps up."""
        if self._clock.monotonic() < self._next:
            self._stopping.wait(REST_SHARE * spent)
