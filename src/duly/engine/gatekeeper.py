"""Gatekeeper: asks for each occurrence that is due whether its gates let it in."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections

from duly.clock import Clock
from duly.engine.executors.slots import Places
from duly.engine.holding import Holding
from duly.engine.routes import Due, runs_here
from duly.engine.shut import Shut
from duly.policy.backoff import Backoff
from duly.policy.gates import NO_ROOM, PASSES, Verdict, waits_until
from duly.store import gates
from duly.store.rows import Claim
from duly.store.statements import own_connections
from duly.telemetry import emit

# So long it is believed that a breaker stays open, and no longer: a person may close it.
BELIEVED_SECONDS = 1.0
# What waits for an open breaker is in no hurry: many are put aside together.
GATHER_SECONDS = 0.2
LARGEST_BATCH = 100


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
        self._open: dict[str, tuple[Verdict, datetime]] = {}
        self._aside: list[tuple[Claim, Verdict]] = []
        self._aside_at = math.inf
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
            while not self._holding.is_stopping:
                batch = self._holding.next_at_gates(self._aside_at)
                try:
                    self._let_in(self._unless_open(self._startable(batch)))
                    self._put_aside()
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
        self._drop([one.claim for one, verdict in said if verdict.until])
        believed = now + timedelta(seconds=BELIEVED_SECONDS)
        for verdict in verdicts:
            if verdict.shut_until:
                self._open[verdict.gate] = verdict, min(verdict.shut_until, believed)

    def _unless_open(self, batch: list[Due]) -> list[Due]:
        """Keep those that are to be asked for; the others wait for a breaker that is open."""
        if not batch or not self._open:
            return batch
        now = self._clock.now(self._using)
        self._open = {name: known for name, known in self._open.items() if known[1] > now}
        asked: list[Due] = []
        for one in batch:
            names = one.route.terms(one.claim).keys() & self._open.keys()
            if not names:
                asked.append(one)
                continue
            known = self._open[min(names)][0]
            until = waits_until(one.claim.due_at, now, random.random)
            if known.shut_until:
                until = max(until, known.shut_until)
            self._aside.append((one.claim, replace(known, until=until, reserved=frozenset())))
        if self._aside and self._aside_at == math.inf:
            self._aside_at = self._clock.monotonic() + GATHER_SECONDS
        return asked

    def _put_aside(self) -> None:
        if len(self._aside) < LARGEST_BATCH and self._clock.monotonic() < self._aside_at:
            return
        aside, self._aside, self._aside_at = self._aside, [], math.inf
        kept_out: set[UUID] = set()
        try:
            kept_out = gates.keep_out(self._using, aside, self._clock.now(self._using))
        finally:
            self._drop([claim for claim, _ in aside if claim.id in kept_out])
            asked = [(claim, verdict) for claim, verdict in aside if claim.id not in kept_out]
            for _, verdict in asked:
                self._open.pop(verdict.gate, None)
            self._holding.put_again([claim for claim, _ in asked])

    def _drop(self, claims: list[Claim]) -> None:
        if claims:
            self._holding.drop({claim.id for claim in claims})
            emit("occurrences.deferred", count=len(claims))
