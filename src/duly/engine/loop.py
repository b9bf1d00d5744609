"""The engine: asks the database what is due, and sets the other parts in motion.

Any number of engines run side by side, in one process or in many; none is special.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connections

from duly import clock as clocks
from duly import registry
from duly.clock import Reading
from duly.engine.claim import Claimer, Times
from duly.engine.delivery import Delivery
from duly.engine.dispatch import Dispatcher
from duly.engine.execute import Attempt, run
from duly.engine.executors.event_loop import EventLoopExecutor
from duly.engine.executors.hand_over import handed_for
from duly.engine.executors.threads import ThreadExecutor
from duly.engine.guard import ClockWatch, EnvironmentGuard
from duly.engine.leases import Leases
from duly.engine.notify import NotifyWatch
from duly.engine.options import EngineOptions
from duly.engine.presence import BEAT_SECONDS, Presence, Vitals
from duly.engine.prune import PruneWatch
from duly.engine.record import Recorder
from duly.engine.rederive import TzdataWatch
from duly.engine.seal import Sealer
from duly.engine.shut import Shut
from duly.engine.targets import publisher_of
from duly.policy.backoff import Backoff
from duly.policy.outcome import Interrupted, NotEntered, Outcome
from duly.services import Registry
from duly.store.backends import notice_silence, open_store
from duly.store.rows import Claim
from duly.store.statements import own_connections
from duly.store.wakeups import THROTTLE_SECONDS, watch
from duly.telemetry import emit

# Each engine comes to doubt a clock, and to believe it again, within this of the others.
DOUBT_SECONDS = 1.0
# Whoever has notified says nothing for a moment after; what it schedules then is found by
# a second look.
SECOND_LOOK_SECONDS = 1.2 * THROTTLE_SECONDS
# It looks every half second, unless a claim of many takes longer.
SILENT_SECONDS = 10.0
# Writing the last outcomes takes milliseconds, unless the database is away.
LAST_WRITES_SECONDS = 5.0


class Engine:
    """One scheduler with its local workers.

    handed_over: is told of claims whose messages to a queue are out.
    """

    def __init__(
        self,
        options: EngineOptions,
        *,
        handed_over: Callable[[Sequence[Claim]], None] | None = None,
    ) -> None:
        self.options = options
        self._handed_over = handed_over
        self._clock = clocks.current()
        self._store = open_store(options.using)
        notice_silence(options.using)
        self._plain = ThreadExecutor(
            options.concurrency,
            self._may_enter,
            self._attempt_ended,
            partial(run, store=self._store, clock=self._clock),
            self._clock.monotonic,
        )
        self._shut = Shut()
        self._services = Registry(self._clock.monotonic)
        self._asynchronous = EventLoopExecutor(
            options.async_concurrency, self._may_enter, self._attempt_ended
        )
        self._remote = ThreadExecutor(
            options.remote_concurrency,
            self._may_enter,
            self._attempt_ended,
            partial(run, store=self._store, clock=self._clock),
            self._clock.monotonic,
            "request",
        )
        self._delivery = Delivery(
            self._services,
            plain=self._plain,
            asynchronous=self._asynchronous,
            remote=self._remote,
            open_publisher=publisher_of,
            handed=self._handed,
        )
        self._leases = Leases(
            self._store,
            self._clock,
            options,
            held=lambda: self._dispatcher.held(),
            lost=lambda ids: self._dispatcher.drop(ids),
            ended=lambda attempt, outcome: self._recorder.put(attempt, outcome),
        )
        self._dispatcher = Dispatcher(
            self._store,
            self._clock,
            options,
            self._leases,
            self._delivery,
            self._shut,
        )
        self._recorder = Recorder(self._store, self._clock, self.wake, self._shut)
        self._watcher = watch(options.using, self._heard, listen=options.listen)
        self._heard_at = -SECOND_LOOK_SECONDS
        self._claimer = Claimer(self._store, self._clock, options, self._dispatcher)
        self._awake = threading.Event()
        self._sealer = Sealer(options.using, self._clock)
        self._prune = PruneWatch(options.using, self._clock, options.retention)
        self._notify = NotifyWatch(options.using, self._clock, options.notify, options.environment)
        self._guard = EnvironmentGuard(options.using, options.environment)
        self._clock_watch = ClockWatch(options.using, self._clock, options.lease)
        self._tzdata = TzdataWatch(self._store, self._clock)
        self._presence = Presence(options, self._clock, self._vitals)
        self._looked_at = -math.inf
        self._stopping = threading.Event()
        self._stop_lock = threading.Lock()
        self._stopped_clean = False
        self._thread = threading.Thread(target=self._run, name="duly-engine", daemon=True)

    def start(self) -> None:
        """Begin to claim and to run; returns at once."""
        executors = (self._plain, self._asynchronous, self._remote)
        for part in (*executors, self._recorder, self._leases):
            part.start()
        self._dispatcher.start()
        self._sealer.start()
        self._prune.start()
        self._notify.start()
        self._thread.start()
        self._watcher.start()
        emit("engine.started", holder=self.options.holder)

    def is_up(self) -> bool:
        """Say whether it looks for work: not while its database is away, nor before its start."""
        silence = self._clock.monotonic() - self._looked_at
        longest = max(SILENT_SECONDS, 5 * self.options.poll_seconds)
        return self._thread.is_alive() and silence < longest

    def clock_offset(self) -> float:
        """Say how far this host's clock is ahead of the database's, in seconds."""
        return self._clock_watch.offset_seconds

    def wake(self) -> None:
        """Look at the database now rather than at the next poll."""
        self._awake.set()

    def _heard(self, due_at: datetime | None) -> None:
        """Look now: something was scheduled, for `due_at` if that is known."""
        self._heard_at = self._clock.monotonic()
        self._claimer.heard_of(due_at)
        self._awake.set()

    def stop(self) -> bool:
        """Stop claiming, give back what is held, and wait for what runs.

        A handler that outlives the grace time is recorded as interrupted, to be tried
        again elsewhere. Says whether all of it could be written; if not, leases end it.
        Stopping again gives the same answer.
        """
        with self._stop_lock:
            if not self._stopping.is_set():
                self._stopped_clean = self._stop()
            return self._stopped_clean

    def _stop(self) -> bool:
        self._stopping.set()
        self._awake.set()
        self._watcher.stop()
        self._sealer.stop()
        self._prune.stop()
        self._notify.stop()
        self._thread.join()
        held = self._dispatcher.stop() + self._delivery.stop()
        released = self._release(held)
        self._leases.wait_idle(self.options.grace_seconds)
        interrupted = self._leases.running()
        for attempt in interrupted:
            self._leases.end(attempt, Interrupted() if attempt.has_entered else NotEntered())
        self._plain.stop()
        self._asynchronous.stop()
        self._remote.stop()
        written = self._recorder.stop(LAST_WRITES_SECONDS)
        self._leases.stop()
        emit("engine.stopped", released=released, interrupted=len(interrupted))
        return written and released == len(held)

    def _run(self) -> None:
        own_connections()
        backoff = Backoff()
        unparked = False
        try:
            while not self._stopping.is_set():
                # Cleared before the look: what is scheduled during it wakes the next one.
                self._awake.clear()
                try:
                    unparked = unparked or self._unpark()
                    seconds = self._turn()
                    self._looked_at = self._clock.monotonic()
                    backoff.worked()
                except Exception as error:
                    connections[self.options.using].close()
                    seconds, wait = 0.0, backoff.failed()
                    emit("engine.faulted", part="loop", error=repr(error), wait_seconds=wait)
                    self._stopping.wait(wait)
                if seconds > 0:
                    self._awake.wait(min(seconds, BEAT_SECONDS))
        finally:
            self._presence.leave()
            connections.close_all()

    def _vitals(self) -> Vitals:
        offset = self._clock_watch.offset_seconds
        return Vitals(len(self._leases.running()), len(self._dispatcher.held()), offset)

    def _unpark(self) -> bool:
        self._store.unpark(registry.known_types(), now=self._clock.now(self.options.using))
        return True

    def _turn(self) -> float:
        """Claim what is due within the horizon; gives the seconds until the next look."""
        self._clock.refresh(self.options.using)
        self._services.refresh()
        self._clock_watch.look()
        self._presence.look()
        monotonic = self._clock.monotonic()
        now = self._clock.now(self.options.using)
        if self._guard.holds(now):
            return self.options.poll_seconds
        due_by = self._clock.due_by(self.options.using)
        until = due_by + self.options.horizon
        is_rederiving = self._tzdata.turn(now, until)
        trusts_leases = self._clock_watch.trusts_leases()
        seconds = self._claimer.look(Times(Reading(now, monotonic), due_by, until, trusts_leases))
        if is_rederiving:
            return 0.0
        if not trusts_leases:
            seconds = min(seconds, DOUBT_SECONDS)
        if self._clock.monotonic() - self._heard_at < SECOND_LOOK_SECONDS:
            seconds = min(seconds, SECOND_LOOK_SECONDS)
        return seconds

    def _release(self, claims: list[Claim]) -> int:
        if not claims:
            return 0
        try:
            now = self._clock.now(self.options.using)
            return self._store.release(claims, now=now, holder=self.options.holder)
        except Exception as error:
            # Not given back, they are handed out again when their leases run out.
            emit("engine.faulted", part="release", error=repr(error), wait_seconds=0)
            return 0

    def _handed(self, claims: Sequence[Claim]) -> None:
        """Give whoever takes them as long again as they are late, so that few are sent twice."""
        emit("occurrences.handed_over", count=len(claims))
        if self._handed_over:
            self._handed_over(claims)
        # First: there is room whether or not the database answers.
        self._has_room_again()
        now = self._clock.now(self.options.using)
        late = [claim for claim in claims if now - claim.ready_at > self.options.lease / 2]
        # Each by its own lateness: beside one that is minutes late, what is a second late and is
        # lost would be missed for minutes.
        by_wait: defaultdict[timedelta, list[Claim]] = defaultdict(list)
        for claim in late:
            by_wait[handed_for(now - claim.ready_at, self.options.lease)].append(claim)
        for wait, some in by_wait.items():
            pairs = [(claim.id, claim.attempt) for claim in some]
            self._store.extend(pairs, lease_until=now + wait, holder=self.options.holder)

    def _may_enter(self, attempt: Attempt) -> bool:
        if self._shut.keeps_out(attempt.terms):
            self._leases.end(attempt, NotEntered())
            return False
        return self._leases.enter(attempt)

    def _attempt_ended(self, attempt: Attempt, outcome: Outcome | None) -> None:
        if outcome is not None:
            self._leases.end(attempt, outcome)
        self._has_room_again()

    def _has_room_again(self) -> None:
        self._dispatcher.slot_freed()
        if self._claimer.has_room_again():
            self._awake.set()
