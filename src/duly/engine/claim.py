"""Claim: what is due, or waits to be tried again, becomes this engine's, as far as it has room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from duly.clock import Clock, Reading
from duly.engine.dispatch import Dispatcher
from duly.engine.executors.slots import Places, Slots
from duly.engine.floor import MARGIN, Floor
from duly.engine.options import LARGEST_BATCH, EngineOptions
from duly.engine.plan import Room, plan
from duly.engine.recover import LARGEST_BATCH as LARGEST_RESCUE
from duly.engine.recover import rescue
from duly.store.contract import Store
from duly.store.rows import NOBODY, Born, PassedOver, lateness
from duly.telemetry import emit

# Of what only waits for its turn so much is looked at in one go: some twenty milliseconds.
SHARE_OF_A_CROWD = 100
# Looked at beside what can begin, in case that it only waits.
LEAST_WAITING = 4


@dataclass(frozen=True, slots=True)
class Times:
    """The times that one look at the database goes by."""

    read: Reading
    """The present, on both clocks; leases count from it."""
    due_by: datetime
    """What is due by then may begin: earlier than the present while a clock is doubted."""
    until: datetime
    """What is due by then is claimed."""
    trusts_leases: bool
    """Whether a lease that ran out means that its holder is dead."""


class Claimer:
    """Looks at the database, and takes what there is room for."""

    def __init__(
        self, store: Store, clock: Clock, options: EngineOptions, dispatcher: Dispatcher
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._dispatcher = dispatcher
        self._events = Floor()
        self._occurrences = Floor()
        # What the last look had no room for; said before it is asked what there is room for, so
        # that of whoever frees a slot and whoever looks for one, one sees the other.
        self._wants_slots: Iterable[Places] = ()
        self._wants_hold = False
        self._waiting = 0
        self._crowd = NOBODY
        self._was_full = False

    def heard_of(self, due_at: datetime | None) -> None:
        """Look for something that was scheduled for `due_at`; None: for anything."""
        self._events.heard_of(due_at, self._clock.monotonic())

    def has_room_again(self) -> bool:
        """Say, after a slot was freed, whether there is room for what there was none for."""
        if any(executor.room() > 0 for executor in self._wants_slots):
            return True
        return self._wants_hold and self._dispatcher.has_drained()

    def look(self, times: Times) -> float:
        """Claim what is due within the horizon; gives the seconds until the next look.

        What comes due is claimed half a horizon ahead at the latest, all that there is by then in
        one batch.
        """
        monotonic = self._clock.monotonic()
        events_since = self._events.since(monotonic)
        occurrences_since = self._occurrences.since(monotonic)
        ahead = self._store.horizon(events_since, occurrences_since)
        self._wants_hold = False
        self._wants_slots = ()
        is_full = False
        if ahead.occurrence_at is not None and ahead.occurrence_at <= times.until:
            is_full = self._claim_waking(times, occurrences_since, monotonic)
        elif times.trusts_leases:
            self._occurrences.reached(times.due_by - MARGIN, occurrences_since, monotonic)
        if ahead.event_at is not None and ahead.event_at <= times.until:
            is_full |= self._claim_due(times, ahead.event_at, events_since, monotonic)
        else:
            self._events.reached(times.due_by - MARGIN, events_since, monotonic)
        if is_full:
            return 0.0
        spare = self._options.horizon.total_seconds() / 2
        # What was there has been claimed: what follows it is not known.
        waits = [
            max(spare, (at - times.until).total_seconds() + spare)
            for at in (ahead.event_at, ahead.occurrence_at)
            if at is not None
        ]
        if ahead.occurrence_at and times.read.at < ahead.occurrence_at <= times.until:
            # A lease that may run out: it has not yet, and must not wait for a poll.
            waits.append((ahead.occurrence_at - times.read.at).total_seconds())
        return min([self._options.poll_seconds, *waits])

    def _claim_waking(self, times: Times, since: datetime | None, monotonic: float) -> bool:
        """Take back what was lost, and claim what waits to be tried again; True: all of a batch."""
        now = times.read.at
        rescued = (
            rescue(self._store, self._dispatcher.routes, now, since) if times.trusts_leases else 0
        )
        self._wants_hold = True
        limit = min(self._dispatcher.room(), LARGEST_BATCH)
        if not limit:
            return False
        self._wants_hold = False
        without = self._dispatcher.routes.backed_up()
        began = self._clock.monotonic()
        claims = self._store.claim_waking(
            now=now,
            until=times.until,
            limit=limit,
            lease_until=now + self._options.lease,
            holder=self._options.holder,
            since=since,
            without=without,
        )
        if claims:
            took = self._clock.monotonic() - began
            self._dispatcher.hold(claims)
            emit("occurrences.claimed", count=len(claims), took_seconds=took)
        is_full = rescued == LARGEST_RESCUE or len(claims) == limit
        if times.trusts_leases and not is_full and not without:
            self._occurrences.reached(times.due_by - MARGIN, since, monotonic)
        return is_full

    def _claim_due(
        self, times: Times, first: datetime, since: datetime | None, monotonic: float
    ) -> bool:
        """Give birth to what is due, as far as there is room for it; True: to all of a batch.

        After a batch that was full, what has a priority comes first; and after one that was full
        of what only waits for its turn, the others: a target that is flooded delays nobody else.
        """
        is_full = False
        if self._was_full:
            self._give_birth(times, first, since, monotonic, NOBODY, urgent=True)
        if crowd := self._crowd:
            is_full = self._give_birth(times, first, since, monotonic, crowd)
        return self._give_birth(times, first, since, monotonic, NOBODY) or is_full

    def _give_birth(
        self,
        times: Times,
        first: datetime,
        since: datetime | None,
        monotonic: float,
        crowd: PassedOver,
        *,
        urgent: bool = False,
    ) -> bool:
        is_due = first <= times.due_by
        if is_due:
            self._wants_slots = self._dispatcher.local()
        else:
            self._wants_hold = True
        slots = self._dispatcher.slots(are_due=is_due)
        used: Counter[Places] = Counter()
        try:
            held = self._dispatcher.room()
            limit = self._limit(slots, held, is_due)
            if not limit:
                return False
            if crowd or urgent:
                # The others have their share, however many these are.
                limit = max(1, limit * 3 // 4)
            elif self._crowd:
                limit = min(limit, SHARE_OF_A_CROWD)
            without = self._dispatcher.passed_over(slots) if is_due else NOBODY
            without = without.and_also(crowd)
            room = Room(self._dispatcher.routes, slots, held)
            began = self._clock.monotonic()
            born = self._store.claim_due(
                now=times.read.at,
                until=times.until,
                limit=limit,
                lease_until=times.read.at + self._options.lease,
                holder=self._options.holder,
                advance=partial(plan, now=times.read.at, due_by=times.due_by, room=room),
                since=since,
                without=without,
                urgent=urgent,
            )
            used = self._take(born, times.read, self._clock.monotonic() - began)
        finally:
            slots.give_back(used)
            # What has come due meanwhile may have found none.
            self._dispatcher.slot_freed()
            self._wants_slots = tuple(slots.missed)
        if not is_due:
            self._wants_hold = room.left_at is not None
        if urgent:
            return born.is_full
        if not crowd:
            self._was_full = born.is_full or room.left_at is not None
            self._crowd = self._dispatcher.routes.crowd(born) if self._was_full else NOBODY
        if not without:
            reached = [times.due_by - MARGIN]
            reached += [room.left_at] if room.left_at else []
            reached += [born.reached] if born.is_full and born.reached else []
            self._events.reached(min(reached), since, monotonic)
        return born.is_full

    def _limit(self, slots: Slots, held: int, is_due: bool) -> int:
        """Say how many to look at: of what is due only as much as can begin is born."""
        local = slots.left(self._dispatcher.local()) if is_due else held
        # What waits first, or is handed over, needs no slot; it is asked for as it comes.
        room = slots.left(self._dispatcher.hand_overs()) + (held if is_due else 0)
        return min(local + min(room, max(LEAST_WAITING, 2 * self._waiting)), LARGEST_BATCH)

    def _take(self, born: Born, began: Reading, took: float) -> Counter[Places]:
        used: Counter[Places] = Counter()
        if born.begun:
            used = self._dispatcher.begin(born.begun, began)
            late = lateness(born.begun, began.at)
            emit("occurrences.started", count=len(born.begun), refused=0, late_seconds=late)
        if born.waiting:
            self._dispatcher.hold(born.waiting)
        self._waiting = len(born.waiting)
        if count := len(born.begun) + len(born.waiting):
            emit("events.planned", born=count, took_seconds=took)
        return used
