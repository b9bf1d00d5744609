"""Holding: claims on a timer heap until their instant, and then by what is to run them."""

from __future__ import annotations

import heapq
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple
from uuid import UUID

from duly.clock import Clock
from duly.engine.executors.slots import Places, Slots
from duly.engine.gathering import Gathering
from duly.engine.routes import Due, Routes, runs_here
from duly.policy.handling import rank
from duly.store.rows import Claim

# What passes gates does so in one transaction, of some fifteen milliseconds for so many; whoever
# ends an attempt meanwhile waits.
MOST_AT_GATES = 25


class Next(NamedTuple):
    """What is to be done next."""

    slots: Slots
    """In which the due begin."""
    due: list[Due]
    strangers: list[Claim]
    """Those that nobody here can run."""
    batches: list[list[Due]]
    """Those that run together, each batch in one of the slots."""


class Holding:
    """The claims of one engine that have not begun."""

    def __init__(self, clock: Clock, routes: Routes) -> None:
        self._clock = clock
        self._routes = routes
        self._timers: list[tuple[float, int, Claim]] = []
        self._order = count()
        self._held: dict[UUID, Claim] = {}
        self._ready: defaultdict[Places, list[tuple[datetime, int, Due]]] = defaultdict(list)
        self._gated: list[Due] = []
        self._before_gates: list[Due] = []
        self._strangers: list[Claim] = []
        self._gathering = Gathering()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._at_gates = threading.Condition(lock)
        self._stopped = threading.Event()
        self._wants_slot = False
        self.is_stopping = False

    def __len__(self) -> int:
        return len(self._held)

    def put(self, claims: Sequence[Claim], at: Callable[[Claim], float]) -> None:
        """Hold claims, each until its moment on the monotonic clock."""
        with self._changed:
            for claim in claims:
                self._held[claim.id] = claim
                self._set_timer(claim, at(claim))
            self._changed.notify()

    def put_again(self, claims: Sequence[Claim], seconds: float = 0.0) -> None:
        """Hold claims that could not be started for some seconds more."""
        with self._changed:
            for claim in claims:
                if self._is_held(claim):
                    self._set_timer(claim, self._clock.monotonic() + seconds)
            self._changed.notify()

    def put_ready(self, due: Sequence[Due]) -> None:
        """Let what has been let in begin, as there are places."""
        with self._changed:
            for one in due:
                self._put_ready(one)
            self._changed.notify()

    def put_before_gates(self, due: Sequence[Due]) -> None:
        """Keep what there is no place for yet, to be asked for at its gates then."""
        with self._changed:
            self._before_gates += due
            self._changed.notify()

    def claims(self) -> list[Claim]:
        """Give every claim that is held."""
        with self._changed:
            return list(self._held.values())

    def drop(self, ids: set[UUID]) -> None:
        """Forget claims that have begun, or that somebody else has taken."""
        with self._changed:
            for id_ in ids:
                self._held.pop(id_, None)

    def waiting(self, place: Places) -> int:
        """Say how many are due, and wait for this place."""
        return len(self._ready[place]) if place in self._ready else 0

    def look_again(self) -> None:
        """Look again for something to start: a slot was freed."""
        # Asked after the slot was freed, and said before a slot is looked for: one of both
        # sees the other.
        if self._wants_slot:
            with self._changed:
                self._changed.notify()

    def stop(self) -> None:
        """Give nothing out any more."""
        with self._changed:
            self.is_stopping = True
            self._changed.notify()
            self._at_gates.notify()
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Wait, unless it is stopped."""
        # Not on a condition: it would take the word that is another thread's.
        self._stopped.wait(seconds)

    def next(self) -> Next:
        """Wait for claims that are due and have a free slot, or need one to look at them."""
        slots = Slots()
        with self._changed:
            while not self.is_stopping:
                self._ripen()
                self._wants_slot = (
                    any(self._ready.values())
                    or bool(self._before_gates)
                    or self._gathering.waits_for_place()
                )
                self._step_forward()
                if self._gated:
                    self._at_gates.notify()
                due = [
                    one
                    for place, ready in self._ready.items()
                    if ready
                    for one in self._take(ready, slots.reserve(place, len(ready)))
                ]
                batches = self._take_batches(slots)
                strangers = [claim for claim in self._strangers if self._is_held(claim)]
                self._strangers.clear()
                if due or strangers or batches:
                    return Next(slots, due, strangers, batches)
                # What was reserved was for claims that are held no more.
                slots.give_back(Counter())
                slots = Slots()
                self._clock.wait(self._changed, self._due_in())
            return Next(slots, [], [], [])

    def next_at_gates(self, until: float) -> list[Due]:
        """Wait for claims that are due and have gates to pass; none: it is stopping, or `until`.

        until: on the monotonic clock.
        """
        with self._changed:
            while not self.is_stopping:
                batch = [one for one in self._gated[:MOST_AT_GATES] if self._is_held(one.claim)]
                del self._gated[:MOST_AT_GATES]
                seconds = until - self._clock.monotonic()
                if batch or seconds <= 0:
                    return batch
                if not self._gated:
                    self._clock.wait(self._at_gates, None if seconds == math.inf else seconds)
            return []

    def _ripen(self) -> None:
        """Move what has come due from the timers to where it is started from."""
        now = self._clock.monotonic()
        self._gathering.ripen(now)
        while self._timers and self._timers[0][0] <= now:
            claim = heapq.heappop(self._timers)[2]
            if not self._is_held(claim):
                continue
            route = self._routes.find(claim.service, claim.event_type)
            if route is None:
                self._strangers.append(claim)
            elif route.is_gated:
                self._gated.append(Due(claim, route))
            else:
                self._put_ready(Due(claim, route))

    def _put_ready(self, one: Due) -> None:
        registration = one.route.registration
        if registration is not None and registration.batch and runs_here(one.route):
            now = self._clock.monotonic()
            self._gathering.add(one, registration.batch, now)
        else:
            place_in_line = (rank(one.claim.due_at, one.claim.handling), next(self._order), one)
            heapq.heappush(self._ready[one.route.place], place_in_line)

    def _due_in(self) -> float | None:
        """Give the seconds until there is something to do without anybody's word."""
        moments = [self._timers[0][0]] if self._timers else []
        if (next_at := self._gathering.next_at()) is not None:
            moments.append(next_at)
        return min(moments) - self._clock.monotonic() if moments else None

    def _take_batches(self, slots: Slots) -> list[list[Due]]:
        batches = self._gathering.take(lambda route: slots.reserve(route.place, 1) > 0)
        return [[one for one in batch if self._is_held(one.claim)] for batch in batches]

    def _step_forward(self) -> None:
        """Let those wait no longer before their gates that there is a place for by now."""
        if self._before_gates:
            has_room = {
                place: place.room() > 0 for place in {one.route.place for one in self._before_gates}
            }
            self._gated += [one for one in self._before_gates if has_room[one.route.place]]
            self._before_gates = [
                one for one in self._before_gates if not has_room[one.route.place]
            ]

    def _take(self, ready: list[tuple[datetime, int, Due]], slots: int) -> list[Due]:
        taken: list[Due] = []
        while ready and len(taken) < slots:
            one = heapq.heappop(ready)[2]
            if self._is_held(one.claim):
                taken.append(one)
        return taken

    def _is_held(self, claim: Claim) -> bool:
        """Say whether this very claim is held.

        One whose lease ran out during an outage may have been claimed by this engine again:
        started for both, it would run twice under one number.
        """
        return self._held.get(claim.id) is claim

    def _set_timer(self, claim: Claim, at: float) -> None:
        heapq.heappush(self._timers, (at, next(self._order), claim))
