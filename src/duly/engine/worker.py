"""Worker: an attempt that a message names is taken, run and written, in whichever process gets it.

The code path is the local executors': the same attempt, leases, outcomes and fences.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error

from duly import clock as clocks
from duly import registry, tracing
from duly.clock import Reading
from duly.conf import Config, config
from duly.engine.dispatch import EXPIRED, parked_until
from duly.engine.execute import Attempt, raised, run, run_async
from duly.engine.executors.event_loop import EventLoopExecutor
from duly.engine.executors.threads import close_connections
from duly.engine.failures import tell_failure
from duly.engine.leases import Leases
from duly.engine.lender import Lender
from duly.engine.options import EngineOptions
from duly.engine.record import Recorder
from duly.engine.routes import terms_of
from duly.engine.settle import passed_by
from duly.engine.shut import Shut
from duly.policy.backoff import Backoff
from duly.policy.gates import Terms
from duly.policy.outcome import Committed, Outcome, Succeeded
from duly.policy.trace import NOTHING, Carrier
from duly.services import Registry
from duly.store import facts, gates
from duly.store.backends import notice_silence, open_store
from duly.store.portable import NO_HANDLER
from duly.store.rows import Claim, lateness
from duly.telemetry import Ended, Later, emit

NO_OP = "no-op"
WAITS = "waits for another"
ENDED = "ended by its lease"
LAST_WRITES_SECONDS = 5.0
# One process of Celery's runs one handler at a time: some two hundred in a second, of the shortest.
GATHER_SECONDS = 0.03

_T = TypeVar("_T")
Errors = tuple[type[BaseException], ...]


class Worker:
    """Runs attempts that are handed over as messages, any number at once."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._clock = clocks.current()
        self._store = open_store(options.using)
        notice_silence(options.using)
        self._services = Registry(self._clock.monotonic)
        self._lender = Lender(options.using)
        self._event_loop: EventLoopExecutor | None = None
        self._awaited: dict[Attempt, Future[Outcome | None]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._recorder: Recorder | None = None
        self._leases = Leases(
            self._store, self._clock, options, held=list, lost=lambda ids: None, ended=self._ended
        )
        self._leases.start()

    def process(
        self,
        occurrence_id: UUID,
        attempt: int,
        time_limits: Errors = (),
        *,
        may_gather: bool = False,
        carrier: Carrier = NOTHING,
    ) -> str:
        """Run attempt number `attempt` of an occurrence, if it still waits for that one.

        A message that comes twice, or late, does nothing. What came of it is written before
        this returns; while the database is away that is tried for as long as the lease lives.

        time_limits: what the caller raises into a handler whose time is up.
        may_gather: a success is written a few milliseconds after this returns, together with
            others; `stop` writes what is left. Killed meanwhile, its lease ends the attempt.
        carrier: the trace that its message brought; one that is active here comes before it.
        Gives one word: the ledger's for what came of it, or "no-op".
        Raises django.db.Error where the database stayed away: the occurrence is handed out
        again when its lease runs out.
        """
        taken = self._take(occurrence_id, attempt)
        if isinstance(taken, str):
            return taken
        taken.time_limits = time_limits
        # Here: an `async def` handler runs on another thread.
        taken.carrier = tracing.carrier() or carrier
        self._leases.add([taken])
        try:
            outcome = self._run(taken)
        except BaseException as error:
            # Between the steps of this process, a time limit may be raised anywhere.
            outcome = raised(error, taken)
        if outcome is None or not self._leases.let_go(taken, outcome):
            return ENDED
        if may_gather and isinstance(outcome, Succeeded):
            self._gathering().put(taken, outcome)
            return "succeeded"
        return self._write(taken, outcome)

    def stop(self) -> None:
        """Let go of threads and connections; what runs is left to the end of the process."""
        if self._recorder is not None:
            self._recorder.stop(LAST_WRITES_SECONDS)
        self._stopping.set()
        self._leases.stop()
        self._lender.close()
        if self._event_loop is not None:
            self._event_loop.stop()

    def _take(self, id_: UUID, number: int) -> Attempt | str:
        until = self._clock.monotonic() + self._options.lease.total_seconds()
        return self._insist(lambda: self._try_to_take(id_, number), until, "take")

    def _try_to_take(self, id_: UUID, number: int) -> Attempt | str:
        began = Reading(self._clock.now(self._store.using), self._clock.monotonic())
        # Before it is taken: what fails here is asked again.
        self._services.refresh()
        claim = self._store.take(
            id_, number, event_types=registry.known_types(), **self._terms(began.at)
        )
        if claim is None:
            claim = self._store.find_queued(id_, number)
            if claim is None:
                emit("messages.ignored", occurrence_id=id_, attempt=number)
                return NO_OP
            if word := self._hindered(claim, began.at):
                return word
        late = lateness([claim], began.at)
        emit("occurrences.started", count=1, refused=0, late_seconds=late)
        registration = registry.require(claim.event_type)
        terms = self._terms_of(claim, registration)
        return Attempt.of(claim, registration, began, self._options.lease, terms)

    def _terms_of(self, claim: Claim, registration: registry.Registration) -> dict[str, Terms]:
        """Say what it has passed before it was handed over, so that its gates learn of its end."""
        service = self._services.find(claim.service)
        return terms_of(service, registration, claim) if service else {}

    def _hindered(self, claim: Claim, now: datetime) -> str:
        """Say why an attempt does not begin, and do what follows; empty where it has begun."""
        if registry.find(claim.event_type) is None:
            reason = f"{NO_HANDLER} for {claim.event_type!r}"
            wake_at = parked_until(claim.due_at, now)
            self._store.park([claim], now=now, wake_at=wake_at, reason=reason)
            emit("occurrences.parked", count=1, event_types=[claim.event_type])
            self._leave(claim, now)
            return facts.PARKED
        if claim.expires_at and claim.expires_at < now:
            skipped = self._store.skip([claim], now=now, reason=EXPIRED)
            emit("occurrences.skipped", count=len(skipped), reason=EXPIRED)
            self._leave(claim, now)
            return facts.SKIPPED
        if self._store.start([claim], **self._terms(now)):
            return ""
        self._leave(claim, now)
        return WAITS

    def _leave(self, claim: Claim, now: datetime) -> None:
        """Give up what it had at its gates: who waits there begins in its place."""
        with suppress(Error):  # Who waits is looked at again anyway.
            gates.leave(self._store.using, [(claim.id, claim.attempt + 1)], now)

    def _terms(self, now: datetime) -> dict[str, Any]:
        lease_until = now + self._options.lease
        return {"now": now, "lease_until": lease_until, "holder": self._options.holder}

    def _run(self, attempt: Attempt) -> Outcome | None:
        """Run a handler to its end; None where it was not to begin any more."""
        if attempt.registration.is_async:
            return self._run_async(attempt)
        if not self._leases.enter(attempt):
            return None
        try:
            return run(attempt, self._store, self._clock)
        finally:
            close_connections()

    def _run_async(self, attempt: Attempt) -> Outcome | None:
        if in_system_thread := _beside_greenlets():
            is_entered = self._leases.enter(attempt)
            return in_system_thread(lambda: asyncio.run(run_async(attempt))) if is_entered else None
        done = self._awaited[attempt] = Future()
        self._loop().submit([attempt])
        return done.result()

    def _loop(self) -> EventLoopExecutor:
        """Give the one event loop of this process, with one more place on it."""
        with self._lock:
            if self._event_loop is None:
                # How many run at once is for the caller's pool to say.
                self._event_loop = EventLoopExecutor(
                    sys.maxsize, self._leases.enter, self._async_ended
                )
                self._event_loop.start()
            self._event_loop.reserve(1)
            return self._event_loop

    def _async_ended(self, attempt: Attempt, outcome: Outcome | None) -> None:
        self._awaited.pop(attempt).set_result(outcome)

    def _gathering(self) -> Recorder:
        with self._lock:
            if self._recorder is None:
                self._recorder = Recorder(
                    self._store, self._clock, lambda: None, Shut(), GATHER_SECONDS
                )
                self._recorder.start()
            return self._recorder

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        """Write the end of an attempt that its lease has ended, while its handler runs on."""
        writer = threading.Thread(target=self._write, args=(attempt, outcome), daemon=True)
        writer.start()

    def _write(self, attempt: Attempt, outcome: Outcome) -> str:
        ran = attempt.ran_seconds(self._clock.monotonic())

        def told(word: str) -> Later[list[Ended]]:
            return Later(lambda: [Ended(attempt.claim.event_type, word, ran)])

        if isinstance(outcome, Committed):
            emit("occurrences.recorded", count=1, fenced=0, ended=told("succeeded"))
            self._settle(attempt, outcome)
            return "succeeded"

        def write() -> str:
            now = self._clock.now(self._store.using)
            result = attempt.result(outcome, now)
            written = self._store.finish([result], now=now)
            word = result.decision.fact if written else facts.FENCED
            fenced = 1 - len(written)
            emit("occurrences.recorded", count=len(written), fenced=fenced, ended=told(word))
            if written:
                tell_failure(attempt.claim.event_type, result, result.decision)
            return word

        word = self._insist(write, attempt.kept_until, "record")
        self._settle(attempt, outcome)
        return word

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        if (passed := passed_by(attempt, outcome)) is None:
            return
        until = self._clock.monotonic()  # Once: who waits is looked at again anyway.
        with suppress(Error):
            now = self._clock.now(self._store.using)
            self._insist(lambda: gates.settle(self._store.using, [passed], now), until, "gates")

    def _insist(self, call: Callable[[], _T], until: float, part: str) -> _T:
        """Call it until the database answers, or it is `until` on the monotonic clock."""
        backoff = Backoff()
        while True:
            with self._lender.lent() as connection:
                try:
                    return call()
                except Error as error:
                    connection.close()
                    wait = backoff.failed()
                    if self._clock.monotonic() + wait > until or self._stopping.is_set():
                        raise
                    emit("engine.faulted", part=part, error=repr(error), wait_seconds=wait)
            self._stopping.wait(wait)


def _beside_greenlets() -> Callable[[Callable[[], Outcome]], Outcome] | None:
    """Give what calls a function in a thread of the system, where threads are greenlets.

    The greenlets of a thread share one running event loop, and where one runs Django refuses
    its synchronous ORM to all of them.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    hub = import_module("gevent").get_hub()
    call: Callable[[Callable[[], Outcome]], Outcome] = hub.threadpool.apply
    return call


_workers: dict[Config, Worker] = {}
_lock = threading.Lock()


def current() -> Worker:
    """Give this process its worker, made when it is first asked for."""
    settings = config()
    worker = _workers.get(settings)
    if worker is None:
        with _lock:
            worker = _workers.get(settings)
            if worker is None:
                worker = _workers[settings] = Worker(EngineOptions.of(settings))
    return worker


def stop() -> None:
    """Stop the worker of this process, if it has one: what it has gathered is written."""
    for worker in list(_workers.values()):
        worker.stop()


def _forget() -> None:
    """Begin anew after a fork: threads and connections stay with the parent."""
    global _lock
    _workers.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
