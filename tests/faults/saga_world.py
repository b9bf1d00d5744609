"""A saga's whole world in one thread, which can be made to crash at each of its steps.

A point is where a process may die: before a statement, before a commit, before and after the
effect of a handler. A crash rolls back what is open and forgets all that was in memory; then
the leases run out, and another process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connections

import duly
from duly import Retry, SagaBuilder, clock, definitions, registry
from duly.clock import Reading
from duly.engine.execute import Attempt, run
from duly.engine.plan import advance
from duly.engine.recover import rescue
from duly.engine.routes import Routes
from duly.models import Saga
from duly.policy.handling import retry_of
from duly.policy.outcome import Committed
from duly.services import Registry
from duly.store.backends import open_store
from duly.store.postgres import PostgresStore
from duly.store.rows import Claim
from duly.testing.manual_clock import ManualClock

NAME = "surgery"
LEASE = timedelta(seconds=30)
BEGIN = datetime(2031, 3, 1, 8, 0, tzinfo=UTC)
MOST_TURNS = 400
QUICK = Retry(base=timedelta(seconds=1), cap=timedelta(seconds=1))
STEPS = ("reserve", "surgeon", "patient", "perform")


class Crash(BaseException):
    """The process is dead."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a handler did to the world outside, which no crash takes back."""

    name: str
    key: str
    attempt: int


def surgery(saga: SagaBuilder) -> None:
    """Every kind of thing that a saga can do."""
    saga.step("reserve", compensate="undo_reserve", timeout=timedelta(days=9))
    with saga.parallel():
        saga.step("surgeon", compensate="undo_surgeon")
        saga.step("patient", compensate="undo_patient")
    saga.wait_for("consent", deadline=timedelta(days=2))
    saga.wait_until("at")
    saga.step("perform", compensate="undo_perform")


class World:
    """Starts one saga, and brings it to its end, however often its processes die."""

    def __init__(self, using: str, dying: str, crashes: Collection[int] = ()) -> None:
        self.effects: list[Effect] = []
        self.points = 0
        self._using = using
        self._dying = dying
        self._crashes = frozenset(crashes)
        self._is_dead = False
        self._clock = ManualClock(BEGIN)

    def play(self) -> Saga:
        """Give the saga at its end."""
        with self._set_up():
            for _ in range(MOST_TURNS):
                try:
                    if self._turn():
                        return duly.find_saga("op", name=NAME)
                except Crash:
                    self._is_dead = False
                    connections[self._using].close()
                    self._clock.move(LEASE + timedelta(seconds=1))
        raise AssertionError(f"it does not end: {self.effects}")

    def _turn(self) -> bool:
        """Do what there is to do now, or let time pass; True: at the end."""
        at = (BEGIN + timedelta(days=3)).isoformat()
        saga = duly.start_saga(NAME, key="op", context={"at": at})
        self._live()
        saga.refresh_from_db()
        is_asked = saga.steps.filter(name="consent", status="running").exists()
        if is_asked and self._dying != "consent":
            duly.signal_saga("op", "consent", "yes")
            return False
        ahead = open_store(self._using).horizon()
        moments = [moment for moment in (ahead.event_at, ahead.occurrence_at) if moment]
        if not moments:
            return True
        self._clock.move(max(timedelta(0), min(moments) - self._now()))
        return False

    def _live(self) -> None:
        """Be an engine until nothing is due."""
        store, holder = open_store(self._using), uuid4()
        while True:
            now = self._now()
            rescued = rescue(store, Routes(Registry(), cast("Any", None)), now)
            terms: dict[str, Any] = {
                "now": now,
                "until": now,
                "limit": 10,
                "lease_until": now + LEASE,
                "holder": holder,
            }
            born = store.claim_due(advance=partial(advance, now=now), **terms)
            claims = [*born.waiting, *store.claim_waking(**terms)]
            if not claims and not rescued:
                return
            began = store.start(claims, now=now, lease_until=now + LEASE, holder=holder)
            for claim in claims:
                if claim.id in began:
                    self._run(claim, holder)

    def _run(self, claim: Claim, holder: UUID) -> None:
        store, now = open_store(self._using), self._now()
        found = registry.require(claim.event_type)
        retry = retry_of(claim.handling, found.retry)
        began = Reading(now, self._clock.monotonic())
        attempt = Attempt(claim, found, claim.attempt + 1, retry, found.timeout, began, 1e9)
        outcome = run(attempt, store, self._clock)
        if self._is_dead:
            # What runs handlers takes all that they raise for their failure.
            raise Crash
        if not isinstance(outcome, Committed):
            store.finish([attempt.result(outcome, now)], now=now)

    def _handler(self, name: str) -> Callable[[duly.Occurrence], dict[str, str] | None]:
        def handle(occurrence: duly.Occurrence) -> dict[str, str] | None:
            self._point()
            self.effects.append(Effect(name, occurrence.idempotency_key, occurrence.attempt))
            self._point()
            if name == self._dying:
                raise duly.GiveUp("no")
            return None if name.startswith("undo") else {name: "done"}

        return handle

    def _now(self) -> datetime:
        return self._clock.now(self._using)

    def _point(self) -> None:
        if self._is_dead:
            raise Crash
        self.points += 1
        if self.points in self._crashes:
            self._is_dead = True
            raise Crash

    @contextmanager
    def _set_up(self) -> Iterator[None]:
        _empty(self._using)
        before = clock.use(self._clock)
        names = [*STEPS, *(f"undo_{name}" for name in STEPS)]
        duly.saga(NAME)(surgery)
        for name in names:
            duly.handler(name, retry=QUICK, atomic=name == "surgeon")(self._handler(name))
        try:
            with self._points():
                yield
        finally:
            clock.use(before)
            definitions.forget(NAME)
            for name in names:
                registry.unregister(name)

    @contextmanager
    def _points(self) -> Iterator[None]:
        """Make a point of every statement and every commit."""
        connection = connections[self._using]
        commit, rows = connection.commit, PostgresStore._rows

        def counted(execute: Any, *arguments: Any) -> Any:
            self._point()
            return execute(*arguments)

        def counted_commit() -> None:
            try:
                self._point()
            except Crash:
                connection.rollback()
                raise
            commit()

        def counted_rows(store: PostgresStore, *arguments: Any) -> Any:
            self._point()
            return rows(store, *arguments)

        connection.commit = counted_commit  # type: ignore[method-assign]
        PostgresStore._rows = counted_rows  # type: ignore[assignment,method-assign]
        try:
            with connection.execute_wrapper(counted):
                yield
        finally:
            PostgresStore._rows = rows  # type: ignore[method-assign]
            del connection.commit


def _empty(using: str) -> None:
    models = list(apps.get_app_config("duly").get_models())
    for model in sorted(models, key=lambda model: model.__name__ == "ScheduledEvent"):
        if model.__name__ != "Saga":
            model._default_manager.using(using).all()._raw_delete(using)
    Saga.objects.using(using).all()._raw_delete(using)
