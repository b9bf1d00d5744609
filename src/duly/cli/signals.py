"""How a process that runs until it is told to stop learns of it."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# timeout(1) sends two SIGTERM at once, and means one.
ONE_SECONDS = 1.0

Signals = queue.SimpleQueue[int]


@contextmanager
def stop_signals() -> Iterator[Signals]:
    """Turn the first SIGTERM or SIGINT into an item of a queue; a second one ends the process.

    A SIGTERM within a second of the first signal is the same one.

    A SimpleQueue, because its `put` may interrupt its own `get`; an Event's `set` may not
    interrupt its `wait` (https://docs.python.org/3/library/queue.html#simplequeue-objects).
    """
    received: Signals = queue.SimpleQueue()
    earlier: list[float] = []

    def receive(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if earlier and (number == signal.SIGINT or now - earlier[0] > ONE_SECONDS):
            os._exit(128 + number)
        earlier.append(now)
        received.put(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
