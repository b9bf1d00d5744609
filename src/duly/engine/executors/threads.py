"""Plain handlers, each in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from django.db import connections

from duly.engine.execute import Attempt, run_batch
from duly.engine.executors.base import Ended, Enter
from duly.engine.executors.pace import Pace
from duly.policy.outcome import Outcome


class ThreadExecutor:
    """A fixed number of daemon threads: a handler that hangs cannot hold up the exit.

    `concurrent.futures` joins its threads when the interpreter ends, and would wait for it.
    """

    def __init__(
        self,
        slots: int,
        enter: Enter,
        ended: Ended,
        run: Callable[[Attempt], Outcome],
        monotonic: Callable[[], float],
        name: str = "handler",
    ) -> None:
        self._slots = slots
        self._run_one = run
        self._enter = enter
        self._ended = ended
        self._busy = 0
        self._monotonic = monotonic
        self._pace = Pace(slots, monotonic())
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Attempt | list[Attempt] | None] = queue.SimpleQueue()
        self._name = name
        self._threads: list[threading.Thread] = []
        self._submitting = threading.Lock()

    def start(self) -> None:
        """Do nothing yet: each thread is started when there is something for it."""

    def room(self) -> int:
        with self._lock:
            return self._room()

    def reserve(self, most: int) -> int:
        with self._lock:
            places = min(most, self._room())
            self._busy += places
        return places

    def give_back(self, places: int) -> None:
        with self._lock:
            self._busy -= places

    def _room(self) -> int:
        ahead = self._pace.ahead(self._monotonic())
        room = self._slots + ahead - self._busy
        # While every thread has something to do, a batch is waited for.
        return max(0, room) if self._busy < self._slots or room > ahead // 2 else 0

    def submit(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self._work.put(attempt)
        self._add_threads()

    def submit_batch(self, attempts: Sequence[Attempt]) -> None:
        self._work.put(list(attempts))
        self._add_threads()

    def _add_threads(self) -> None:
        if len(self._threads) < self._slots:
            with self._submitting:
                for _ in range(min(self._work.qsize(), self._slots - len(self._threads))):
                    self._add_thread()

    def _add_thread(self) -> None:
        name = f"duly-{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            began = self._monotonic()
            outcomes = self._outcomes(work)
            with self._lock:
                self._busy -= 1
                if any(outcome is not None for _, outcome in outcomes):
                    self._pace.ended(self._monotonic() - began)
            for attempt, outcome in outcomes:
                self._ended(attempt, outcome)
        connections.close_all()

    def _outcomes(self, work: Attempt | list[Attempt]) -> list[tuple[Attempt, Outcome | None]]:
        if isinstance(work, Attempt):
            if not self._enter(work):
                return [(work, None)]
            outcome = self._run_one(work)
            close_connections()
            return [(work, outcome)]
        entered = [attempt for attempt in work if self._enter(attempt)]
        outcomes = dict(zip(entered, run_batch(entered), strict=True)) if entered else {}
        close_connections()
        return [(attempt, outcomes.get(attempt)) for attempt in work]


def close_connections() -> None:
    """Leave no connection of this thread in the state that a handler brought it to.

    A transaction left open, or a connection that broke, is closed here and now; the
    others live on as CONN_MAX_AGE allows.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block or connection.needs_rollback:
            connection.in_atomic_block = False
            connection.needs_rollback = False
            connection.savepoint_ids = []
            connection.close()
        else:
            connection.close_if_unusable_or_obsolete()
