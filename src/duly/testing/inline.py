"""Occurrences run within a test: in its thread, on its connection, in its transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync

from duly import clock as clocks
from duly import registry, services
from duly.clock import Reading
from duly.conf import config
from duly.engine.dispatch import EXPIRED, parked_until
from duly.engine.execute import Attempt, run, run_async, run_batch
from duly.engine.options import EngineOptions
from duly.engine.plan import advance
from duly.errors import DulyError
from duly.models import Occurrence
from duly.policy.outcome import Committed, Outcome
from duly.store.backends import open_store
from duly.store.portable import NO_HANDLER
from duly.store.rows import Claim

MOST_RUN = 1000
LARGEST_LOOK = 100


class NeverIdle(DulyError, RuntimeError):
    """What is due does not come to an end: a handler schedules itself for now, again and again."""


def run_due(*, most: int = MOST_RUN) -> list[Occurrence]:
    """Run what is due by the clock in use, and what that schedules for now, until nothing is left.

    No engine and no thread: it sees what the open transaction of a test holds, and leaves its
    effects there. Every handler runs here, whatever the target of its service; limits, rates and
    breakers are not asked, and a handler of batches gets what is due together. A retry is run
    once the clock has been moved past its wait.

    Gives the occurrences that it dealt with, as they are now, in the order in which they were
    first looked at. Raises NeverIdle after `most` attempts.
    """
    inline = _Inline(EngineOptions.of(config()))
    seen: dict[UUID, None] = {}
    runs = 0
    while claims := inline.claims():
        seen |= dict.fromkeys(claim.id for claim in claims)
        runs += inline.deal_with(claims)
        if runs > most:
            raise NeverIdle(
                f"more than {most} attempts were due at {inline.now().isoformat()}: does a handler "
                "schedule its own type for now? Otherwise, say most="
            )
    found = Occurrence.objects.using(inline.using).in_bulk(list(seen))
    return [found[id_] for id_ in seen if id_ in found]


class _Inline:
    """What an engine does, one thing after the other."""

    def __init__(self, options: EngineOptions) -> None:
        self.using = options.using
        self._options = options
        self._clock = clocks.current()
        self._store = open_store(options.using)
        services.registry.refresh()
        self._store.unpark(registry.known_types(), now=self.now())

    def now(self) -> datetime:
        return self._clock.now(self.using)

    def claims(self) -> list[Claim]:
        """Take what is due, or waits for another attempt, earliest first."""
        now = self.now()
        terms = self._terms(now) | {"until": now, "limit": LARGEST_LOOK}
        born = self._store.claim_due(advance=partial(advance, now=now), **terms)
        return sorted(
            [*born.waiting, *self._store.claim_waking(**terms)],
            key=lambda claim: (claim.ready_at, claim.event_id),
        )

    def deal_with(self, claims: Sequence[Claim]) -> int:
        """Run each claim, or say why it is not run; gives how many attempts began."""
        may_begin = []
        for claim in claims:
            now = self.now()
            if registry.find(claim.event_type) is None:
                reason = f"{NO_HANDLER} for {claim.event_type!r}"
                wake_at = parked_until(claim.due_at, now)
                self._store.park([claim], now=now, wake_at=wake_at, reason=reason)
            elif claim.expires_at and claim.expires_at < now:
                self._store.skip([claim], now=now, reason=EXPIRED)
            else:
                may_begin.append(claim)
        return sum(self._run(together) for together in _batches(may_begin))

    def _run(self, claims: Sequence[Claim]) -> int:
        began = Reading(self.now(), self._clock.monotonic())
        begun = self._store.start(claims, **self._terms(began.at))
        lease = self._options.lease
        attempts = [
            Attempt.of(claim, registry.require(claim.event_type), began, lease, {})
            for claim in claims
            if claim.id in begun
        ]
        for attempt in attempts:
            attempt.enter(began.arrived)
        if attempts:
            self._record(attempts, self._outcomes(attempts))
        return len(attempts)

    def _outcomes(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        registration = attempts[0].registration
        if registration.batch:
            return run_batch(attempts)
        if registration.is_async:
            return [async_to_sync(run_async)(attempt) for attempt in attempts]
        return [run(attempt, self._store, self._clock) for attempt in attempts]

    def _record(self, attempts: Sequence[Attempt], outcomes: Sequence[Outcome]) -> None:
        now = self.now()
        for attempt, outcome in zip(attempts, outcomes, strict=True):
            if not isinstance(outcome, Committed):
                self._store.finish([attempt.result(outcome, now)], now=now)

    def _terms(self, now: datetime) -> dict[str, Any]:
        lease_until = now + self._options.lease
        return {"now": now, "lease_until": lease_until, "holder": self._options.holder}


def _batches(claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Put together what one handler gets together; all else by itself, in order."""
    groups: dict[UUID | str, list[Claim]] = {}
    for claim in claims:
        is_batched = registry.require(claim.event_type).batch is not None
        groups.setdefault(claim.event_type if is_batched else claim.id, []).append(claim)
    for group in groups.values():
        batch = registry.require(group[0].event_type).batch
        size = batch.most if batch else 1
        yield from (group[at : at + size] for at in range(0, len(group), size))
