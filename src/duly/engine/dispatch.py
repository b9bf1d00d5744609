"""Dispatch: what was claimed is held until its instant, then started where a slot is free."""

from __future__ import annotations

import heapq
import threading
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from django.db import connections

from duly import registry
from duly.clock import JUMP_SECONDS, Clock, Reading
from duly.engine.execute import Attempt
from duly.engine.executors.base import Executor
from duly.engine.executors.slots import Slots
from duly.engine.leases import Leases
from duly.engine.options import HELD_PER_SLOT, LARGEST_BATCH, MOST_HELD, EngineOptions
from duly.store.contract import Store
from duly.store.portable import NO_HANDLER
from duly.store.rows import Claim
from duly.store.statements import own_connections
from duly.telemetry import emit

# What nobody here can run is looked at again after half the time that it is late already,
# within these bounds: soon in a rolling deploy, rarely when it waits for weeks.
SHORTEST_PARK = timedelta(seconds=5)
LONGEST_PARK = timedelta(minutes=5)
EXPIRED = "expired"
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0


class Dispatcher:
    """A timer heap, and a queue of what is ready for each kind of handler."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: EngineOptions,
        leases: Leases,
        *,
        plain: Executor,
        asynchronous: Executor,
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._leases = leases
        self._plain = plain
        self._asynchronous = asynchronous
        self._timers: list[tuple[float, int, Claim]] = []
        self._order = count()
        self._held: dict[UUID, Claim] = {}
        self._ready: dict[Executor, deque[Claim]] = {plain: deque(), asynchronous: deque()}
        self._strangers: list[Claim] = []
        self._wants_slot = False
        self._least_held = HELD_PER_SLOT * options.concurrency + options.async_concurrency
        self._most_held = self._least_held
        self._started = 0
        self._counted_from = clock.monotonic()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="duly-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[Claim]:
        """Start nothing more; gives the claims that were held and never begun."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        return list(self._held.values())

    def room(self) -> int:
        """Say how many more claims may be held: what can start within a horizon, at this pace."""
        elapsed = self._clock.monotonic() - self._counted_from
        if elapsed >= 1.0:
            within_horizon = self._started / elapsed * self._options.horizon.total_seconds()
            self._most_held = max(self._least_held, min(MOST_HELD, int(2 * within_horizon)))
            self._counted_from, self._started = self._clock.monotonic(), 0
        return max(0, self._most_held - len(self._held))

    def has_drained(self) -> bool:
        """Say whether there is room for a batch of claims that is worth its statement."""
        return self.room() >= self._most_held // 4

    def slots(self) -> Slots:
        """Reserve places for attempts that begin with their claim.

        What is held and has come due goes first. Whatever is not used must be given back.
        """
        slots = Slots(self._plain, self._asynchronous)
        for executor in self.executors():
            waiting = len(self._ready[executor])
            slots.reserve(executor, min(LARGEST_BATCH, executor.room() - waiting))
        return slots

    def no_slots(self) -> Slots:
        """Give the places for what is not due yet: none."""
        return Slots(self._plain, self._asynchronous)

    def executors(self) -> tuple[Executor, ...]:
        """Give the executors that this process has handlers for; the plain one always."""
        has_async = bool(registry.types_of(is_async=True))
        return (self._plain, self._asynchronous) if has_async else (self._plain,)

    def hold(self, claims: Sequence[Claim]) -> None:
        """Keep claims until their instant.

        The wait is computed once, from the database's time, and done on the monotonic
        clock, so that no step of the host's clock moves it.
        """
        now = self._clock.due_by(self._store.using)
        started = self._clock.monotonic()
        with self._changed:
            for claim in claims:
                self._held[claim.id] = claim
                self._set_timer(claim, started + (claim.ready_at - now).total_seconds())
            self._changed.notify()

    def _hold_again(self, claims: Sequence[Claim], seconds: float = 0.0) -> None:
        """Keep claims that could not be started; asks the database nothing, it may be away."""
        with self._changed:
            for claim in claims:
                if self._is_held(claim):
                    self._set_timer(claim, self._clock.monotonic() + seconds)

    def _set_timer(self, claim: Claim, at: float) -> None:
        heapq.heappush(self._timers, (at, next(self._order), claim))

    def held(self) -> list[tuple[UUID, int]]:
        """Give (occurrence, attempt) of every claim that waits."""
        with self._changed:
            return [(claim.id, claim.attempt) for claim in self._held.values()]

    def drop(self, ids: set[UUID]) -> None:
        """Forget claims that somebody else has taken."""
        with self._changed:
            for id_ in ids:
                self._held.pop(id_, None)

    def slot_freed(self) -> None:
        """Look again for something to start."""
        # Asked after the slot was freed, and said before a slot is looked for: one of both
        # sees the other.
        if self._wants_slot:
            with self._changed:
                self._changed.notify()

    def begin(self, claims: Sequence[Claim], began: Reading) -> Counter[Executor]:
        """Run claims whose attempts were started at `began`, in reserved places; gives how many."""
        by_executor: dict[Executor, list[Attempt]] = {}
        for claim in claims:
            attempt = Attempt.of(claim, began, self._options.lease)
            by_executor.setdefault(self._executor(attempt.registration), []).append(attempt)
        for executor, attempts in by_executor.items():
            self._leases.add(attempts)
            executor.submit(attempts)
        self._started += len(claims)
        return Counter({executor: len(some) for executor, some in by_executor.items()})

    def _run(self) -> None:
        own_connections()
        wait = FIRST_WAIT_SECONDS
        try:
            while True:
                slots, batch, strangers = self._next()
                used: Counter[Executor] = Counter()
                try:
                    if self._stopping:
                        return
                    batch = self._due(batch)
                    used = self._start(batch)
                    self._park(strangers)
                    wait = FIRST_WAIT_SECONDS
                except Exception as error:
                    connections[self._store.using].close()
                    emit("engine.faulted", part="dispatch", error=repr(error), wait_seconds=wait)
                    self._hold_again([*batch, *strangers])
                    with self._changed:
                        self._changed.wait_for(lambda: self._stopping, wait)
                    wait = min(2 * wait, LONGEST_WAIT_SECONDS)
                finally:
                    slots.give_back(used)
        finally:
            connections.close_all()

    def _next(self) -> tuple[Slots, list[Claim], list[Claim]]:
        """Wait for claims that are due and have a free slot, and for those nobody can run."""
        slots = Slots(self._plain, self._asynchronous)
        with self._changed:
            while not self._stopping:
                self._ripen()
                self._wants_slot = any(self._ready.values())
                batch = [
                    claim
                    for executor, ready in self._ready.items()
                    if ready
                    for claim in self._take(ready, slots.reserve(executor, len(ready)))
                ]
                strangers = [claim for claim in self._strangers if self._is_held(claim)]
                self._strangers.clear()
                if batch or strangers:
                    return slots, batch, strangers
                # What was reserved was for claims that are held no more.
                slots.give_back(Counter())
                slots = Slots(self._plain, self._asynchronous)
                due_in = self._timers[0][0] - self._clock.monotonic() if self._timers else None
                self._clock.wait(self._changed, due_in)
            return slots, [], []

    def _ripen(self) -> None:
        """Move what has come due from the timers to where it is started from."""
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            claim = heapq.heappop(self._timers)[2]
            registration = registry.find(claim.event_type)
            if not self._is_held(claim):
                continue
            if registration is None:
                self._strangers.append(claim)
            else:
                self._ready[self._executor(registration)].append(claim)

    def _take(self, ready: deque[Claim], slots: int) -> list[Claim]:
        taken: list[Claim] = []
        while ready and len(taken) < slots:
            claim = ready.popleft()
            if self._is_held(claim):
                taken.append(claim)
        return taken

    def _is_held(self, claim: Claim) -> bool:
        """Say whether this very claim is held.

        One whose lease ran out during an outage may have been claimed by this engine again:
        started for both, it would run twice under one number.
        """
        return self._held.get(claim.id) is claim

    def _due(self, batch: list[Claim]) -> list[Claim]:
        """Keep on holding what is not due, since the database's clock was set back."""
        due_by = self._clock.due_by(self._store.using) + timedelta(seconds=JUMP_SECONDS)
        early = [claim for claim in batch if claim.ready_at > due_by]
        # Not for as long as it says: it may be set ahead again.
        self._hold_again(early, JUMP_SECONDS)
        return [claim for claim in batch if claim.ready_at <= due_by]

    def _start(self, batch: list[Claim]) -> Counter[Executor]:
        if not batch:
            return Counter()
        monotonic = self._clock.monotonic()
        now = self._clock.now(self._store.using)
        batch = self._unexpired(batch, now)
        began = self._store.start(
            batch, now=now, lease_until=now + self._options.lease, holder=self._options.holder
        )
        self.drop({claim.id for claim in batch})
        started = [claim for claim in batch if claim.id in began]
        used = self.begin(started, Reading(now, monotonic))
        emit("occurrences.started", count=len(began), refused=len(batch) - len(began))
        return used

    def _unexpired(self, batch: list[Claim], now: datetime) -> list[Claim]:
        """Skip what could not begin in time; gives the others."""
        late = [claim for claim in batch if claim.expires_at and claim.expires_at < now]
        if late:
            skipped = self._store.skip(late, now=now, reason=EXPIRED)
            self.drop({claim.id for claim in late})
            emit("occurrences.skipped", count=len(skipped), reason=EXPIRED)
        return [claim for claim in batch if claim not in late]

    def _park(self, strangers: list[Claim]) -> None:
        if not strangers:
            return
        now = self._clock.now(self._store.using)
        for claim in strangers:
            reason = f"{NO_HANDLER} for {claim.event_type!r}"
            wake_at = parked_until(claim.due_at, now)
            self._store.park([claim], now=now, wake_at=wake_at, reason=reason)
        self.drop({claim.id for claim in strangers})
        types = sorted({claim.event_type for claim in strangers})
        emit("occurrences.parked", count=len(strangers), event_types=types)

    def _executor(self, registration: registry.Registration) -> Executor:
        return self._asynchronous if registration.is_async else self._plain


def parked_until(due_at: datetime, now: datetime) -> datetime:
    """Say when to look again at what nobody here can run."""
    return now + max(SHORTEST_PARK, min((now - due_at) / 2, LONGEST_PARK))
