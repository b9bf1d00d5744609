"""Dispatch: what was claimed is held until its instant, then started where a slot is free."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from django.db import connections

from duly import registry
from duly.clock import JUMP_SECONDS, Clock
from duly.engine.execute import Attempt
from duly.engine.executors.base import Executor
from duly.engine.executors.slots import Slots
from duly.engine.leases import Leases
from duly.engine.options import MOST_HELD, EngineOptions
from duly.policy.handling import Handling, retry_of
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
        """Say how many more claims may be held."""
        return max(0, MOST_HELD - len(self._held))

    def has_drained(self) -> bool:
        """Say whether there is room for a batch of claims that is worth its statement."""
        return self.room() >= MOST_HELD // 4

    def slots(self) -> Slots:
        """Give the places of the moment for attempts that begin with their claim.

        What is held and has come due goes first.
        """
        free = {
            executor: max(0, executor.room() - len(ready))
            for executor, ready in self._ready.items()
        }
        return Slots(self._plain, self._asynchronous, free)

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

    def begin(self, claims: Sequence[Claim], kept_until: float) -> None:
        """Run claims whose first attempts have begun; their leases live until `kept_until`."""
        attempts = [self._attempt(claim, kept_until) for claim in claims]
        self._leases.add(attempts)
        by_executor: dict[Executor, list[Attempt]] = {}
        for attempt in attempts:
            by_executor.setdefault(self._executor(attempt.registration), []).append(attempt)
        for executor, some in by_executor.items():
            executor.submit(some)

    def _run(self) -> None:
        own_connections()
        wait = FIRST_WAIT_SECONDS
        try:
            while True:
                batch, strangers = self._next()
                if self._stopping:
                    return
                try:
                    batch = self._due(batch)
                    self._start(batch)
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
            connections.close_all()

    def _next(self) -> tuple[list[Claim], list[Claim]]:
        """Wait for claims that are due and have a free slot, and for those nobody can run."""
        with self._changed:
            while not self._stopping:
                self._ripen()
                self._wants_slot = any(self._ready.values())
                batch = [
                    claim
                    for executor, ready in self._ready.items()
                    if ready
                    for claim in self._take(ready, executor.room())
                ]
                strangers = [claim for claim in self._strangers if self._is_held(claim)]
                self._strangers.clear()
                if batch or strangers:
                    return batch, strangers
                due_in = self._timers[0][0] - self._clock.monotonic() if self._timers else None
                self._clock.wait(self._changed, due_in)
            return [], []

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

    def _start(self, batch: list[Claim]) -> None:
        if not batch:
            return
        now = self._clock.now(self._store.using)
        kept_until = self._clock.monotonic() + self._options.lease.total_seconds()
        batch = self._unexpired(batch, now)
        began = self._store.start(
            batch, now=now, lease_until=now + self._options.lease, holder=self._options.holder
        )
        self.drop({claim.id for claim in batch})
        self.begin([claim for claim in batch if claim.id in began], kept_until)
        emit("occurrences.started", count=len(began), refused=len(batch) - len(began))

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
            wake_at = _parked_until(claim.due_at, now)
            self._store.park([claim], now=now, wake_at=wake_at, reason=reason)
        self.drop({claim.id for claim in strangers})
        types = sorted({claim.event_type for claim in strangers})
        emit("occurrences.parked", count=len(strangers), event_types=types)

    def _attempt(self, claim: Claim, kept_until: float) -> Attempt:
        registration = registry.require(claim.event_type)
        retry, timeout = registration.retry, registration.timeout
        if claim.handling:
            retry = retry_of(claim.handling, retry)
            timeout = Handling.from_json(claim.handling).timeout or timeout
        return Attempt(claim, registration, claim.attempt + 1, retry, timeout, kept_until)

    def _executor(self, registration: registry.Registration) -> Executor:
        return self._asynchronous if registration.is_async else self._plain


def _parked_until(due_at: datetime, now: datetime) -> datetime:
    return now + max(SHORTEST_PARK, min((now - due_at) / 2, LONGEST_PARK))
