"""`async def` handlers, all on one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from asgiref.sync import sync_to_async

from duly.engine.execute import Attempt, run_async
from duly.engine.executors.base import Ended, Enter
from duly.engine.executors.threads import close_connections


class EventLoopExecutor:
    """An event loop on a thread of its own, with a bounded number of handlers on it."""

    def __init__(self, slots: int, enter: Enter, ended: Ended) -> None:
        self._slots = slots
        self._enter = enter
        self._ended = ended
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="duly-event-loop", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def room(self) -> int:
        return self._slots - self._busy

    def reserve(self, most: int) -> int:
        with self._lock:
            places = max(0, min(most, self._slots - self._busy))
            self._busy += places
        return places

    def give_back(self, places: int) -> None:
        with self._lock:
            self._busy -= places

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self._loop.call_soon_threadsafe(self._begin, attempts)

    def submit_batch(self, attempts: Sequence[Attempt]) -> None:
        raise NotImplementedError("a handler of batches is a plain function")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(timeout=1)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        # One turn of the loop later, so that the cancelled have left it.
        self._loop.call_soon(self._loop.stop)

    def _begin(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            task = self._loop.create_task(self._attempt(attempt))
            # The loop holds its tasks weakly.
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _attempt(self, attempt: Attempt) -> None:
        outcome = await run_async(attempt) if self._enter(attempt) else None
        # Django's async ORM works on one thread of its own, shared by all handlers: only
        # once none of them runs is it sure that no other's connection is closed.
        if self._busy == 1:
            await sync_to_async(close_connections)()
        with self._lock:
            self._busy -= 1
        self._ended(attempt, outcome)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()
