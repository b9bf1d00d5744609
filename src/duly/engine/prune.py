"""Prune: a thread that deletes what ended long ago, and leaves the database alone in between.

It also sweeps what the ended have left at gates, forgets engines that died, and on a partitioned
database makes the partitions of the months to come.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from django.db import connections

from duly.clock import Clock
from duly.store import engines, gate_rows, partitions, prune, retention, stamps, task_results
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
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        wait = SHORTEST_REST_SECONDS
        while not self._stopping.wait(wait):
            # Each for itself: where the months to come cannot be made, history still goes.
            duties = {
                "partitions": self._make_months,
                "gates": self._sweep,
                "presence": self._forget,
                "prune": self._prune,
            }
            for part, duty in duties.items():
                try:
                    duty(self._clock.now(self._using))
                except Exception as error:
                    emit("engine.faulted", part=part, error=repr(error), wait_seconds=CHECK_SECONDS)
                finally:
                    connections.close_all()
            wait = CHECK_SECONDS

    def _make_months(self, now: datetime) -> None:
        if connections[self._using].vendor != "postgresql":
            return
        if made := partitions.make_ahead(self._using, now):
            emit("partitions.made", names=made)

    def _sweep(self, now: datetime) -> None:
        if swept := gate_rows.sweep(self._using, now):
            emit("gates.swept", count=swept)

    def _forget(self, now: datetime) -> None:
        if count := engines.forget_dead(self._using, now):
            emit("engines.forgotten", count=count)

    def _prune(self, now: datetime) -> None:
        if self._retention is None:
            return
        last = stamps.read(self._using, stamps.PRUNED)
        if last is not None and now - datetime.fromisoformat(last["at"]) < EVERY:
            return
        stamps.write(self._using, stamps.PRUNED, {"at": now.isoformat()}, now)
        terms = prune.Terms(now - self._retention)
        done = prune.Pruned()
        begun = self._clock.monotonic()
        for pruned in retention.prune(self._using, terms, now, actor="engine"):
            done += pruned
            took = self._clock.monotonic() - begun
            if self._stopping.wait(max(SHORTEST_REST_SECONDS, REST * took)):
                break
            begun = self._clock.monotonic()
        while task_results.drop_orphans(self._using) and not self._stopping.wait(REST):
            pass
        emit(
            "history.pruned",
            occurrences=done.occurrences,
            events=done.events,
            entries=done.entries,
            sagas=done.sagas,
        )
