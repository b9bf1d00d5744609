"""Dispatch: what was claimed is held until its instant, then started, or handed over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from django.db import connections

from duly.clock import JUMP_SECONDS, Clock, Reading
from duly.engine.delivery import Delivery
from duly.engine.execute import Attempt
from duly.engine.executors.base import Executor
from duly.engine.executors.hand_over import HandOver
from duly.engine.executors.slots import Places, Slots
from duly.engine.gatekeeper import Gatekeeper
from duly.engine.holding import Holding
from duly.engine.leases import Leases
from duly.engine.options import HELD_PER_SLOT, LARGEST_BATCH, MOST_HELD, EngineOptions
from duly.engine.routes import Due, Route, Routes
from duly.engine.shut import Shut
from duly.policy.backoff import Backoff
from duly.store import gates
from duly.store.contract import Store
from duly.store.rows import Claim, PassedOver, lateness
from duly.store.statements import own_connections
from duly.telemetry import emit

# What nobody here can run is looked at again after half the time that it is late already,
# within these bounds: soon in a rolling deploy, rarely when it waits for weeks.
SHORTEST_PARK = timedelta(seconds=5)
LONGEST_PARK = timedelta(minutes=5)
EXPIRED = "expired"


class Dispatcher:
    """Gives each claim, at its instant, to what is to run it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: EngineOptions,
        leases: Leases,
        delivery: Delivery,
        shut: Shut,
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._leases = leases
        self._delivery = delivery
        self.routes: Routes = delivery.routes
        self._holding = Holding(clock, delivery.routes)
        self._gatekeeper = Gatekeeper(
            store.using, clock, self._holding, shut, self._startable, self._room_at
        )
        self._least_held = HELD_PER_SLOT * options.concurrency + options.async_concurrency
        self._most_held = self._least_held
        self._started = 0
        self._counted_from = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="duly-dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._gatekeeper.start()

    def stop(self) -> list[Claim]:
        """Start nothing more; gives the claims that were held and never begun."""
        self._holding.stop()
        self._thread.join()
        self._gatekeeper.join()
        return self._holding.claims()

    def room(self) -> int:
        """Say how many more claims may be held: what can start within a horizon, at this pace."""
        elapsed = self._clock.monotonic() - self._counted_from
        if elapsed >= 1.0:
            within_horizon = self._started / elapsed * self._options.horizon.total_seconds()
            self._most_held = max(self._least_held, min(MOST_HELD, int(2 * within_horizon)))
            self._counted_from, self._started = self._clock.monotonic(), 0
        return max(0, self._most_held - len(self._holding))

    def has_drained(self) -> bool:
        """Say whether there is room for a batch of claims that is worth its statement."""
        return self.room() >= self._most_held // 4

    def slots(self, *, are_due: bool) -> Slots:
        """Reserve places for what is about to be claimed.

        What is held and has come due goes first. What is not due yet needs no place but where
        it is to be handed over. Whatever is not used must be given back.
        """
        slots = Slots()
        for executor in self._delivery.local() if are_due else ():
            slots.reserve(executor, min(LARGEST_BATCH, self._room_at(executor)))
        for target in self._delivery.hand_overs():
            slots.reserve(target, min(LARGEST_BATCH, self._room_at(target)))
        return slots

    def _room_at(self, place: Places) -> int:
        return place.room() - self._holding.waiting(place)

    def hand_overs(self) -> tuple[HandOver, ...]:
        """Give the ways to what runs elsewhere."""
        return self._delivery.hand_overs()

    def local(self) -> tuple[Executor, ...]:
        """Give the executors that this process has something to run for."""
        return self._delivery.local()

    def passed_over(self, slots: Slots) -> PassedOver:
        """Say which events have no place: the types of executors that are full, and services."""
        return self._delivery.passed_over(slots)

    def hold(self, claims: Sequence[Claim]) -> None:
        """Keep claims until their instant.

        The wait is computed once, from the database's time, and done on the monotonic
        clock, so that no step of the host's clock moves it.
        """
        now = self._clock.due_by(self._store.using)
        started = self._clock.monotonic()
        self._holding.put(claims, lambda claim: started + (claim.ready_at - now).total_seconds())

    def held(self) -> list[tuple[UUID, int]]:
        """Give (occurrence, attempt) of every claim that waits."""
        held = [(claim.id, claim.attempt) for claim in self._holding.claims()]
        return held + [one for target in self._delivery.hand_overs() for one in target.held()]

    def drop(self, ids: set[UUID]) -> None:
        """Forget claims that somebody else has taken."""
        self._holding.drop(ids)
        for target in self._delivery.hand_overs():
            target.drop(ids)

    def slot_freed(self) -> None:
        """Look again for something to start."""
        self._holding.look_again()

    def begin(self, claims: Sequence[Claim], began: Reading) -> Counter[Places]:
        """Run claims whose attempts were started at `began`, in reserved places; gives how many."""
        routed = ((claim, self.routes.find(claim.service, claim.event_type)) for claim in claims)
        return self._submit([Due(claim, route) for claim, route in routed if route], began)

    def _submit(self, started: Sequence[Due], began: Reading) -> Counter[Places]:
        by_place: dict[Executor, list[Attempt]] = {}
        for claim, route in started:
            assert not isinstance(route.place, HandOver)
            by_place.setdefault(route.place, []).append(self._attempt(claim, route, began))
        for executor, attempts in by_place.items():
            self._leases.add(attempts)
            executor.submit(attempts)
        self._started += len(started)
        return Counter({executor: len(some) for executor, some in by_place.items()})

    def _run(self) -> None:
        own_connections()
        backoff = Backoff()
        try:
            while True:
                found = self._holding.next()
                used: Counter[Places] = Counter()
                try:
                    if self._holding.is_stopping:
                        return
                    used = self._start(self._due(found.due))
                    for batch in found.batches:
                        used += self._start_batch(batch)
                    self._park(found.strangers)
                    backoff.worked()
                except Exception as error:
                    connections[self._store.using].close()
                    wait = backoff.failed()
                    emit("engine.faulted", part="dispatch", error=repr(error), wait_seconds=wait)
                    due = [*found.due, *chain.from_iterable(found.batches)]
                    self._holding.put_again([one.claim for one in due] + found.strangers)
                    self._holding.pause(wait)
                finally:
                    found.slots.give_back(used)
        finally:
            connections.close_all()

    def _due(self, batch: Sequence[Due]) -> list[Due]:
        """Keep on holding what is not due, since the database's clock was set back."""
        if not batch:
            return []
        due_by = self._clock.due_by(self._store.using) + timedelta(seconds=JUMP_SECONDS)
        early = [one.claim for one in batch if one.claim.ready_at > due_by]
        # Not for as long as it says: it may be set ahead again.
        self._holding.put_again(early, JUMP_SECONDS)
        return [one for one in batch if one.claim.ready_at <= due_by]

    def _startable(self, batch: list[Due]) -> list[Due]:
        batch = self._due(batch)
        return self._unexpired(batch, self._clock.now(self._store.using)) if batch else []

    def _start(self, batch: list[Due]) -> Counter[Places]:
        if not batch:
            return Counter()
        monotonic = self._clock.monotonic()
        now = self._clock.now(self._store.using)
        batch = self._unexpired(batch, now)
        self._hand_over([one for one in batch if isinstance(one.route.place, HandOver)])
        batch = [one for one in batch if not isinstance(one.route.place, HandOver)]
        if not batch:
            return Counter()
        return self._submit(self._begun(batch, now), Reading(now, monotonic))

    def _start_batch(self, batch: list[Due]) -> Counter[Places]:
        """Run the occurrences of one batch together, in one place."""
        monotonic = self._clock.monotonic()
        now = self._clock.now(self._store.using)
        batch = self._unexpired(self._due(batch), now)
        started = self._begun(batch, now) if batch else []
        if not started:
            return Counter()
        place = started[0].route.place
        assert not isinstance(place, HandOver)
        attempts = [self._attempt(*one, Reading(now, monotonic)) for one in started]
        attempts.sort(key=lambda attempt: attempt.claim.due_at)
        self._leases.add(attempts)
        place.submit_batch(attempts)
        self._started += len(attempts)
        return Counter({place: 1})

    def _begun(self, batch: list[Due], now: datetime) -> list[Due]:
        """Begin the attempts in the database; gives those that really began."""
        began = self._store.start(
            [one.claim for one in batch],
            now=now,
            lease_until=now + self._options.lease,
            holder=self._options.holder,
        )
        self._holding.drop({one.claim.id for one in batch})
        begun = [one for one in batch if one.claim.id in began]
        late = lateness((one.claim for one in begun), now)
        refused = [one for one in batch if one.claim.id not in began]
        emit("occurrences.started", count=len(begun), refused=len(refused), late_seconds=late)
        self._leave(refused, now)
        return begun

    def _leave(self, batch: Sequence[Due], now: datetime) -> None:
        """Give up what was let in and does not begin: who waits there begins in its place."""
        left = [(one.claim.id, one.claim.attempt + 1) for one in batch if one.route.is_gated]
        if not left:
            return
        try:
            gates.leave(self._store.using, left, now)
        except Exception as error:
            # Who waits is looked at again anyway.
            connections[self._store.using].close()
            emit("engine.faulted", part="gates", error=repr(error), wait_seconds=0)

    def _hand_over(self, batch: Sequence[Due]) -> None:
        by_place: dict[HandOver, list[Claim]] = {}
        for claim, route in batch:
            assert isinstance(route.place, HandOver)
            by_place.setdefault(route.place, []).append(claim)
        for target, claims in by_place.items():
            target.take(claims)
            self._holding.drop({claim.id for claim in claims})

    def _unexpired(self, batch: list[Due], now: datetime) -> list[Due]:
        """Skip what could not begin in time; gives the others."""
        late = [one for one in batch if one.claim.expires_at and one.claim.expires_at < now]
        if not late:
            return batch
        skipped = self._store.skip([one.claim for one in late], now=now, reason=EXPIRED)
        gone = {one.claim.id for one in late}
        self._holding.drop(gone)
        emit("occurrences.skipped", count=len(skipped), reason=EXPIRED)
        self._leave(late, now)
        return [one for one in batch if one.claim.id not in gone]

    def _park(self, strangers: list[Claim]) -> None:
        if not strangers:
            return
        now = self._clock.now(self._store.using)
        for claim in strangers:
            reason = self.routes.missing(claim.service, claim.event_type)
            until = parked_until(claim.due_at, now)
            self._store.park([claim], now=now, wake_at=until, reason=reason)
        self._holding.drop({claim.id for claim in strangers})
        types = {claim.event_type for claim in strangers}
        emit("occurrences.parked", count=len(strangers), event_types=sorted(types))

    def _attempt(self, claim: Claim, route: Route, began: Reading) -> Attempt:
        assert route.registration is not None
        terms = route.terms(claim)
        return Attempt.of(claim, route.registration, began, self._options.lease, terms)


def parked_until(due_at: datetime, now: datetime) -> datetime:
    """Say when to look again at what nobody here can run."""
    return now + max(SHORTEST_PARK, min((now - due_at) / 2, LONGEST_PARK))
