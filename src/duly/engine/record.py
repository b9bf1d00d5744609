"""Record: outcomes are decided upon and written, many in one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import connections

from duly.clock import Clock
from duly.engine.execute import Attempt
from duly.engine.failures import tell_failure
from duly.engine.settle import passed_by
from duly.engine.shut import Shut
from duly.policy.backoff import Backoff
from duly.policy.outcome import Committed, Outcome
from duly.store import facts, gates
from duly.store.contract import Store
from duly.store.rows import Result
from duly.store.statements import own_connections
from duly.telemetry import Ended, Later, emit

LARGEST_BATCH = 500
# A statement costs as much as twenty of its rows. Few results are written at once.
GATHER_SECONDS = 0.01
MANY = 8


@dataclass(frozen=True, slots=True)
class _Ended:
    attempt: Attempt
    outcome: Outcome
    at: float
    """When, on the monotonic clock."""

    def told(self, word: str) -> Ended:
        """Say it to who listens."""
        return Ended(self.attempt.claim.event_type, word, self.attempt.ran_seconds(self.at))


class Recorder:
    """Writes outcomes on a thread and a connection of its own.

    While one batch commits, the next one collects; when many come, for a few milliseconds
    more. That delays no handler, and no retry that somebody waits for.
    patience: seconds that the first result of a batch waits for others.

    An outcome is kept until it is written, however long the database is away; if its
    lease ran out meanwhile, the ledger says that it was fenced.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        retrying: Callable[[], None],
        shut: Shut,
        patience: float = 0.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._retrying = retrying
        self._shut = shut
        self._patience = patience
        self._ended: queue.SimpleQueue[_Ended | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duly-recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, attempt: Attempt, outcome: Outcome) -> None:
        """Hand over what came of an attempt."""
        ended = _Ended(attempt, outcome, self._clock.monotonic())
        if isinstance(outcome, Committed):
            told = Later(lambda: [ended.told("succeeded")])
            emit("occurrences.recorded", count=1, fenced=0, ended=told)
        if not isinstance(outcome, Committed) or attempt.terms:
            self._ended.put(ended)

    def stop(self, timeout: float) -> bool:
        """Write what is left; says whether that was done within `timeout` seconds."""
        self._ended.put(None)
        self._thread.join(timeout)
        self._stopping.set()
        return not self._thread.is_alive()

    def _run(self) -> None:
        own_connections()
        held_back: list[_Ended] = []
        last = False
        try:
            while not (last and not held_back):
                batch, held_back, last = self._collect(held_back, last)
                self._write(batch)
                if len(batch) >= MANY and not last:
                    self._stopping.wait(GATHER_SECONDS)
        finally:
            connections.close_all()

    def _collect(
        self, held_back: list[_Ended], last: bool
    ) -> tuple[list[_Ended], list[_Ended], bool]:
        """Take what has gathered; a second result of one occurrence waits for the next batch."""
        waiting = held_back
        while not last and len(waiting) < LARGEST_BATCH:
            is_first = not waiting
            try:
                item = self._ended.get(block=is_first)
                if is_first and item is not None and self._patience:
                    self._stopping.wait(self._patience)
            except queue.Empty:
                break
            if item is None:
                last = True
            else:
                waiting.append(item)
        batch: dict[UUID, _Ended] = {}
        rest: list[_Ended] = []
        for ended in waiting:
            if ended.attempt.claim.id in batch:
                rest.append(ended)
            else:
                batch[ended.attempt.claim.id] = ended
        return list(batch.values()), rest, last

    def _write(self, ended: list[_Ended]) -> None:
        batch = [one for one in ended if not isinstance(one.outcome, Committed)]
        if not batch:
            self._settle(ended)
            return
        results: list[Result] = []
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                now = self._clock.now(self._store.using)
                results = results or [ended.attempt.result(ended.outcome, now) for ended in batch]
                written = self._store.finish(results, now=now)
            except Exception as error:
                connections[self._store.using].close()
                wait = backoff.failed()
                emit("engine.faulted", part="record", error=repr(error), wait_seconds=wait)
                self._stopping.wait(wait)
                continue
            told = Later(partial(_told, batch, results, written))
            fenced = len(batch) - len(written)
            emit("occurrences.recorded", count=len(written), fenced=fenced, ended=told)
            _tell_failures(batch, results, written)
            self._settle(ended)
            if any(result.decision.wake_at for result in results):
                self._retrying()
            return

    def _settle(self, batch: Sequence[_Ended]) -> None:
        """Tell the gates; what fails here is made up for by those who wait."""
        passed = [one for ended in batch if (one := passed_by(ended.attempt, ended.outcome))]
        if not passed:
            return
        try:
            is_open = gates.settle(self._store.using, passed, self._clock.now(self._store.using))
        except Exception as error:
            connections[self._store.using].close()
            emit("engine.faulted", part="gates", error=repr(error), wait_seconds=0)
            return
        self._shut.saw(is_open)
        self._retrying()


def _tell_failures(batch: Sequence[_Ended], results: Sequence[Result], written: set[UUID]) -> None:
    for ended, result in zip(batch, results, strict=True):
        if result.id in written:
            tell_failure(ended.attempt.claim.event_type, result, result.decision)


def _told(batch: Sequence[_Ended], results: Sequence[Result], written: set[UUID]) -> list[Ended]:
    return [
        ended.told(result.decision.fact if result.id in written else facts.FENCED)
        for ended, result in zip(batch, results, strict=True)
    ]
