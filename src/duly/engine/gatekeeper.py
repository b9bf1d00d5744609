"""Gatekeeper: asks for each occurrence that is due whether its gates let it in."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from django.db import connections

from duly.clock import Clock
from duly.engine.executors.slots import Places
from duly.engine.holding import Holding
from duly.engine.routes import Due, runs_here
from duly.engine.shut import Shut
from duly.policy.backoff import Backoff
from duly.policy.gates import NO_ROOM, PASSES
from duly.store import gates
from duly.store.statements import own_connections
from duly.telemetry import emit


class Gatekeeper:
    """A thread and a connection of its own: the row of a gate is locked by one engine at a time,
    and what has no gate to pass must not wait for that.

    startable: keeps of those whose instant has come the ones that are still to begin.
    room_at: says how many more can begin at a place.
    """

    def __init__(
        self,
        using: str,
        clock: Clock,
        holding: Holding,
        shut: Shut,
        startable: Callable[[list[Due]], list[Due]],
        room_at: Callable[[Places], int],
    ) -> None:
        self._using = using
        self._clock = clock
        self._holding = holding
        self._shut = shut
        self._startable = startable
        self._room_at = room_at
        self._thread = threading.Thread(target=self._run, name="duly-gatekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Wait for its end; what it holds must be stopping."""
        self._thread.join()

    def _run(self) -> None:
        own_connections()
        backoff = Backoff()
        try:
            while batch := self._holding.next_at_gates():
                try:
                    self._let_in(self._startable(batch))
                    backoff.worked()
                except Exception as error:
                    connections[self._using].close()
                    wait = backoff.failed()
                    emit("engine.faulted", part="gates", error=repr(error), wait_seconds=wait)
                    self._holding.put_again([one.claim for one in batch])
                    self._holding.pause(wait)
        finally:
            connections.close_all()

    def _let_in(self, batch: list[Due]) -> None:
        """Ask the gates; who may not begin waits, and is held no more."""
        if not batch:
            return
        now = self._clock.now(self._using)
        requests = [
            gates.Request(one.claim, one.route.terms(one.claim), one.route.place) for one in batch
        ]
        rooms = {
            one.route.place: self._room_at(one.route.place) if runs_here(one.route) else len(batch)
            for one in batch
        }
        verdicts = gates.admit(self._using, requests, rooms, now, random.random)
        said = list(zip(batch, verdicts, strict=True))
        for request, verdict in zip(requests, verdicts, strict=True):
            if verdict is PASSES:
                self._shut.let_in(request.terms)
        self._holding.put_ready([one for one, verdict in said if verdict is PASSES])
        self._holding.put_before_gates([one for one, verdict in said if verdict is NO_ROOM])
        waits = {one.claim.id for one, verdict in said if verdict.until}
        if waits:
            self._holding.drop(waits)
            emit("occurrences.deferred", count=len(waits))
