"""Prune: a thread that deletes what ended long ago, and leaves the database alone in between."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from django.db import connections

from duly.clock import Clock
from duly.store import prune, stamps
from duly.telemetry import emit

CHECK_SECONDS = 600.0
# Of all engines together; what is kept for months need not go within the hour.
EVERY = timedelta(hours=6)
# So many times as long as a batch takes, the database is left to the engines.
REST = 4.0
SHORTEST_REST_SECONDS = 0.02


class PruneWatch:
    """Prunes now and then; any number of engines may, and mostly one of them does."""

    def __init__(self, using: str, clock: Clock, retention: timedelta | None) -> None:
        self._using = using
        self._clock = clock
        self._retention = retention
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duly-pruner", daemon=True)

    def start(self) -> None:
        if self._retention is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._retention is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        wait = SHORTEST_REST_SECONDS
        while not self._stopping.wait(wait):
            try:
                self._turn(self._clock.now(self._using))
            except Exception as error:
                emit("engine.faulted", part="prune", error=repr(error), wait_seconds=CHECK_SECONDS)
            finally:
                connections.close_all()
            wait = CHECK_SECONDS

    def _turn(self, now: datetime) -> None:
        assert self._retention is not None
        last = stamps.read(self._using, stamps.PRUNED)
        if last is not None and now - datetime.fromisoformat(last["at"]) < EVERY:
            return
        stamps.write(self._using, stamps.PRUNED, {"at": now.isoformat()}, now)
        pruner = prune.Pruner(self._using, now - self._retention)
        done = prune.Pruned()
        begun = self._clock.monotonic()
        for pruned in pruner.batches(now, actor="engine"):
            done += pruned
            took = self._clock.monotonic() - begun
            if self._stopping.wait(max(SHORTEST_REST_SECONDS, REST * took)):
                break
            begun = self._clock.monotonic()
        emit(
            "history.pruned", occurrences=done.occurrences, events=done.events, entries=done.entries
        )
