"""Leases: what this process holds stays its own for as long as it says so."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from uuid import UUID

from django.db import connections

from duly.clock import Clock
from duly.engine.execute import Attempt
from duly.engine.options import EngineOptions
from duly.policy.outcome import NotEntered, Outcome, TimedOut
from duly.store.contract import Store
from duly.store.statements import own_connections
from duly.telemetry import emit

# What was started ahead and finds no thread is given back after this: another engine may have one.
WAIT_SECONDS = 1.0


class Leases:
    """The heartbeat of what is held, and the end of what runs too long.

    held: gives (occurrence, attempt) of the claims that wait for their instant.
    lost: is told which of those have been taken away.
    ended: is told what came of each attempt.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: EngineOptions,
        *,
        held: Callable[[], list[tuple[UUID, int]]],
        lost: Callable[[set[UUID]], None],
        ended: Callable[[Attempt, Outcome], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._held = held
        self._lost = lost
        self._ended = ended
        self._running: dict[tuple[UUID, int], Attempt] = {}
        self._changed = threading.Condition()
        self._wakes_at = math.inf
        self._is_stopping = False
        self._awaits_idle = False
        self._thread = threading.Thread(target=self._run, name="duly-leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def add(self, attempts: list[Attempt]) -> None:
        """Keep the leases of attempts that have been started."""
        with self._changed:
            for attempt in attempts:
                self._running[attempt.claim.id, attempt.number] = attempt

    def enter(self, attempt: Attempt) -> bool:
        """Count an attempt's time from now on; False where its handler must not begin any more.

        That is so once it has been ended from here, and where its lease may have run out
        while this process stood still: another one may run it by now.
        """
        monotonic = self._clock.monotonic()
        key = (attempt.claim.id, attempt.number)
        with self._changed:
            if key not in self._running:
                return False
            if not attempt.may_enter(monotonic):
                # Told, though it may not hold any more: then that is refused.
                self._let_go(attempt, NotEntered())
                return False
            attempt.enter(monotonic)
            if attempt.deadline < self._wakes_at:
                self._changed.notify_all()
        return True

    def end(self, attempt: Attempt, outcome: Outcome) -> None:
        """Let go of an attempt, and pass its outcome on.

        What was timed out or interrupted here may still come to an end of its own: that
        late outcome is passed on as well, for the database to refuse, unless it says the
        same again.
        """
        with self._changed:
            self._let_go(attempt, outcome)

    def let_go(self, attempt: Attempt, outcome: Outcome) -> bool:
        """Let go of an attempt whose outcome the caller writes; False where that is not needed.

        It is not where the same has been passed on from here already.
        """
        with self._changed:
            held = self._running.pop((attempt.claim.id, attempt.number), None)
        return held is not None or not isinstance(outcome, TimedOut)

    def _let_go(self, attempt: Attempt, outcome: Outcome) -> None:
        held = self._running.pop((attempt.claim.id, attempt.number), None)
        if held or not isinstance(outcome, TimedOut):
            # Passed on before anybody can see that nothing runs any more: a stopping
            # engine closes its recorder then.
            self._ended(attempt, outcome)
        if self._awaits_idle and not self._running:
            self._changed.notify_all()

    def running(self) -> list[Attempt]:
        """Give the attempts that run now."""
        with self._changed:
            return list(self._running.values())

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing runs; says whether that came within `seconds`."""
        with self._changed:
            self._awaits_idle = True
            return self._changed.wait_for(lambda: not self._running, seconds)

    def _run(self) -> None:
        own_connections()
        next_beat = self._clock.monotonic() + self._options.beat_seconds
        try:
            while not self._wait(next_beat):
                self._end_overdue()
                if self._clock.monotonic() >= next_beat:
                    self._beat()
                    next_beat = self._clock.monotonic() + self._options.beat_seconds
        finally:
            connections.close_all()

    def _wait(self, next_beat: float) -> bool:
        """Sleep until the next beat or deadline; says whether it is time to stop."""
        with self._changed:
            deadlines = [_looked_at(attempt) for attempt in self._running.values()]
            # Whatever is added meanwhile need not wake it: most have ended long before.
            soon = self._clock.monotonic() + WAIT_SECONDS
            self._wakes_at = min([next_beat, soon, *deadlines])
            seconds = self._wakes_at - self._clock.monotonic()
            if not self._is_stopping and seconds > 0:
                self._clock.wait(self._changed, seconds)
            return self._is_stopping

    def _end_overdue(self) -> None:
        now = self._clock.monotonic()
        for attempt in self.running():
            with self._changed:
                if _looked_at(attempt) > now:
                    continue
                timed_out = TimedOut(attempt.timeout)
                self._let_go(attempt, timed_out if attempt.has_entered else NotEntered())

    def _pass_on_requests(self) -> None:
        """Tell attempts that a newer occurrence of their event asks them to stop."""
        asked = {one.claim.id: one for one in self.running() if one.is_exclusive}
        for id_ in self._store.asked_to_stop(asked) if asked else ():
            asked[id_].is_asked_to_stop = True

    def _beat(self) -> None:
        attempts = self.running()
        running = {(attempt.claim.id, attempt.number) for attempt in attempts}
        held = running | set(self._held())
        if not held:
            return
        began = self._clock.monotonic()
        try:
            lease_until = self._clock.now(self._store.using) + self._options.lease
            kept = self._store.extend(held, lease_until=lease_until, holder=self._options.holder)
            self._pass_on_requests()
        except Exception as error:
            connections[self._store.using].close()
            emit("engine.faulted", part="leases", error=repr(error), wait_seconds=0)
            return
        for attempt in attempts:
            is_kept = attempt.claim.id in kept
            attempt.kept_until = began + (self._options.lease.total_seconds() if is_kept else 0)
        lost = {id_ for id_, _ in held} - kept
        # Some of these have simply ended between the question and the answer.
        self._lost(lost)
        emit("leases.extended", count=len(kept), lost=len(lost))


def _looked_at(attempt: Attempt) -> float:
    """Say when an attempt is ended from here, on the monotonic clock."""
    return attempt.deadline if attempt.has_entered else attempt.began.arrived + WAIT_SECONDS
