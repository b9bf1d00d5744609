"""The streams that are open in this process, and the one look at the ledger that all share."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connections

from duly.access.refusals import TooManyRequests
from duly.rest.stream_reader import Reader, Terms
from duly.store.tail import Tail
from duly.telemetry import emit

LOOK_SECONDS = 0.5


class TooManyStreams(TooManyRequests):
    """As many streams are open as may be."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; close one, or come back later", timedelta(seconds=30))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many streams may be open."""

    here: int
    """In this process."""
    of_one: int
    """Of one actor."""


class Streams:
    """The open streams of a process.

    A thread looks at the ledger twice a second as long as one is open, however many there are.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._open: dict[Reader, str] = {}
        self._tail: Tail | None = None

    def open(self, using: str, terms: Terms, actor: str, limits: Limits) -> Reader:
        """Open a stream. Raises TooManyStreams."""
        with self._changed:
            self._forget_the_dead()
            self._check_room(actor, limits)
            if self._tail is None:
                self._tail = Tail(using)
                threading.Thread(
                    target=self._follow, args=(using, self._tail), name="duly-stream", daemon=True
                ).start()
            reader = Reader(using, self._tail, terms, wait=self._wait, monotonic=self._monotonic)
            reader.on_close = self._close
            self._open[reader] = actor
        return reader

    def _close(self, reader: Reader) -> None:
        with self._changed:
            self._open.pop(reader, None)
            if not self._open:
                # Its thread ends when it sees that it follows for nobody.
                self._tail = None
                self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(seconds)

    def _check_room(self, actor: str, limits: Limits) -> None:
        of_one = Counter(self._open.values())[actor]
        if of_one >= limits.of_one:
            raise TooManyStreams(f"{of_one} streams of this key or token are open already")
        if len(self._open) >= limits.here:
            raise TooManyStreams(f"{len(self._open)} streams are open here already")

    def _forget_the_dead(self) -> None:
        """Let go of streams whose server never closed them."""
        for reader in [one for one in self._open if one.is_overdue]:
            del self._open[reader]

    def _follow(self, using: str, tail: Tail) -> None:
        try:
            while True:
                has_more = _look(using, tail)
                with self._changed:
                    if self._tail is not tail:
                        return
                    self._changed.notify_all()
                    if not has_more:
                        self._changed.wait(LOOK_SECONDS)
        finally:
            connections[using].close()


def _look(using: str, tail: Tail) -> bool:
    try:
        return tail.look()
    except Exception as error:
        # Whatever broke, the streams stay open: the next look begins where this one did.
        emit("stream.faulted", error=repr(error), wait_seconds=LOOK_SECONDS)
        connections[using].close()
        return False


streams = Streams()
"""Of this process."""
