"""Execute: a started attempt runs its handler and comes to an outcome."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from duly import payloads, tracing
from duly.civil import zones
from duly.civil.forms import rules_as_json
from duly.clock import Clock, Reading
from duly.conf import config
from duly.engine.error_text import error_text, payload_of, without_secrets
from duly.errors import InvalidOutcome, TargetFailed
from duly.policy.gates import Terms
from duly.policy.handling import Handling, has_policies, retry_of, saga_of
from duly.policy.outcome import (
    Committed,
    Failed,
    Outcome,
    Snoozed,
    Succeeded,
    TimedOut,
    decide,
)
from duly.policy.retry import Retry, Snooze
from duly.policy.trace import Carrier, tried
from duly.registry import Occurrence, Registration
from duly.store.contract import Store
from duly.store.overlaps import is_exclusive
from duly.store.rows import Claim, Result

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at an occurrence, started in the database; its handler may begin a little later."""

    claim: Claim
    registration: Registration
    number: int
    """1, 2, 3 …: the fencing token."""
    retry: Retry
    timeout: timedelta
    began: Reading
    """When it was started, on both clocks."""
    kept_until: float
    """How long its lease lives for certain: seconds on the monotonic clock."""
    terms: Mapping[str, Terms] = field(default_factory=dict)
    """What it has passed, by the names of the gates; each is told of its end."""
    deadline: float = math.inf
    """When its time is up, on the monotonic clock; counted from when its handler begins."""
    ends_at: datetime = _NEVER
    """The same on the database's clock, for the handler to know."""
    is_asked_to_stop: bool = False
    time_limits: tuple[type[BaseException], ...] = ()
    """What is raised into the handler by whoever runs it, when its time is up."""
    carrier: Carrier | None = None
    """The trace that it was handed over in, if it was."""
    trace: str = ""
    """The `traceparent` of its span; empty where nobody traces."""

    @classmethod
    def of(
        cls,
        claim: Claim,
        registration: Registration,
        began: Reading,
        lease: timedelta,
        terms: Mapping[str, Terms],
    ) -> Attempt:
        """Build the attempt that begins with a claim."""
        retry, timeout = registration.retry, registration.timeout
        if has_policies(claim.handling):
            retry = retry_of(claim.handling, retry)
            timeout = Handling.from_json(claim.handling).timeout or timeout
        kept_until = began.arrived + lease.total_seconds()
        number = claim.attempt + 1
        return cls(claim, registration, number, retry, timeout, began, kept_until, terms)

    @property
    def has_entered(self) -> bool:
        """Whether its handler has begun."""
        return self.deadline < math.inf

    def may_enter(self, monotonic: float) -> bool:
        """Say whether its handler may begin: its lease lives, and it is not too late."""
        expires_at = self.claim.expires_at
        is_in_time = expires_at is None or self.began.carried(monotonic) <= expires_at
        return is_in_time and monotonic < self.kept_until

    def enter(self, monotonic: float) -> None:
        """Count its time from now on; asks no clock that may be away."""
        self.deadline = monotonic + self.timeout.total_seconds()
        self.ends_at = self.began.carried(monotonic) + self.timeout

    def ran_seconds(self, ended: float) -> float | None:
        """Say for how long its handler ran until `ended`, on the monotonic clock; None: never."""
        if not self.has_entered:
            return None
        return max(0.0, ended - self.deadline + self.timeout.total_seconds())

    def asked_to_stop(self) -> bool:
        """Say whether a newer occurrence of its event waits for it to stop."""
        return self.is_asked_to_stop

    def result(self, outcome: Outcome, now: datetime) -> Result:
        """Decide what follows from its outcome, to be written if it still holds."""
        claim, counted = self.claim, self.number - self.claim.forgiven
        decision = decide(outcome, counted, self.retry, now, random.random)
        return Result(
            claim.id,
            claim.event_id,
            claim.due_at,
            self.number,
            decision,
            self.is_exclusive,
            saga_of(claim.handling),
            outcome.context if isinstance(outcome, Succeeded) else None,
            self.trace,
            self._tried(outcome),
        )

    def _tried(self, outcome: Outcome) -> dict[str, Any] | None:
        """Give what its occurrence is to remember of it, for the next attempt to be linked to."""
        if not self.trace or isinstance(outcome, (Succeeded, Committed)):
            return None
        return tried(self.claim.handling, self.trace)

    @property
    def is_exclusive(self) -> bool:
        """Whether others of its event may wait for its end."""
        return is_exclusive(self.claim.handling)


def run(attempt: Attempt, store: Store, clock: Clock) -> Outcome:
    """Run a plain handler to its end.

    Whatever it raises is the attempt's failure, `SystemExit` included: a handler must
    not take the engine down with it.
    """
    with tracing.Attempting((attempt,)) as attempting:
        outcome = _run(attempt, store, clock)
        attempting.ended((outcome,))
    return outcome


def _run(attempt: Attempt, store: Store, clock: Clock) -> Outcome:
    try:
        if attempt.registration.batch:
            return _run_batch([attempt])[0]
        if attempt.registration.is_atomic:
            return _run_atomic(attempt, store, clock)
        return returned(attempt, attempt.registration.function(occurrence_of(attempt)))
    except BaseException as error:
        return raised(error, attempt)


def run_batch(attempts: Sequence[Attempt]) -> list[Outcome]:
    """Run a handler that takes batches; gives the outcome of each attempt."""
    with tracing.Attempting(attempts) as attempting:
        outcomes = _run_batch(attempts)
        attempting.ended(outcomes)
    return outcomes


def _run_batch(attempts: Sequence[Attempt]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    occurrences: dict[int, Occurrence] = {}
    for index, attempt in enumerate(attempts):
        try:
            occurrences[index] = occurrence_of(attempt)
        except Exception as error:
            outcomes[index] = raised(error, attempt)
    ran = [attempts[index] for index in occurrences]
    try:
        function: Callable[..., object] = attempts[0].registration.function
        answer = function(list(occurrences.values())) if occurrences else None
        failed = _failures(answer, {occurrence.id for occurrence in occurrences.values()})
    except BaseException as error:
        failed = dict.fromkeys((one.id for one in occurrences.values()), error)
    for index, occurrence in occurrences.items():
        own = failed.get(occurrence.id)
        outcomes[index] = Succeeded() if own is None else raised(own, attempts[index], ran)
    return [outcomes[index] for index in range(len(attempts))]


def _failures(answer: object, known: set[UUID]) -> Mapping[UUID, BaseException]:
    if answer is None:
        return {}
    if not isinstance(answer, Mapping):
        raise InvalidOutcome(
            "a handler of batches must return None, or a dict of the ids of those that failed "
            f"and their exceptions; got {answer!r:.120}"
        )
    for id_, error in answer.items():
        if id_ not in known or not isinstance(error, BaseException):
            raise InvalidOutcome(
                f"{id_!r:.60}: {error!r:.120} is no occurrence of this batch, or no exception"
            )
    return answer


def _run_atomic(attempt: Attempt, store: Store, clock: Clock) -> Outcome:
    """Run a handler in the transaction that records its success.

    Where a commit breaks off nobody knows whether it happened: the attempt is told as
    failed, and the database refuses that if it did.
    """
    try:
        with transaction.atomic(store.using):
            value = attempt.registration.function(occurrence_of(attempt))
            outcome = returned(attempt, value)
            now = clock.now(store.using)
            if not store.finish([attempt.result(outcome, now)], now=now):
                raise _Fenced
    except _Fenced:
        # Its effects are rolled back; told as a success, to be refused and recorded so.
        return Succeeded()
    return Committed()


class _Fenced(Exception):
    """The attempt did not hold any more when it came to its end."""


async def run_async(attempt: Attempt) -> Outcome:
    """Run an `async def` handler to its end, or cancel it when its time is up."""
    with tracing.Attempting((attempt,)) as attempting:
        outcome = await _run_async(attempt)
        attempting.ended((outcome,))
    return outcome


async def _run_async(attempt: Attempt) -> Outcome:
    timeout = attempt.timeout
    limit = asyncio.timeout(timeout.total_seconds())
    try:
        async with limit:
            occurrence = occurrence_of(attempt)
            function = attempt.registration.function
            value = await cast("Awaitable[object]", function(occurrence))
        return returned(attempt, value)
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return TimedOut(timeout) if limit.expired() else raised(error, attempt)


def returned(attempt: Attempt, value: object) -> Succeeded:
    """Say what a handler's return makes of its attempt.

    What a saga's step returns as a dict goes into the saga's context; anything else is
    nobody's. Raises InvalidPayload for a dict that is not JSON, or too large.
    """
    if saga_of(attempt.claim.handling) is None or not isinstance(value, dict):
        return Succeeded()
    return Succeeded(payloads.encode(rules_as_json(value), config().payload_max_bytes))


def raised(
    error: BaseException, attempt: Attempt, together: Sequence[Attempt] | None = None
) -> Outcome:
    """Say what an exception makes of its attempt.

    together: those that ran in one batch; its error may speak of any of them.
    """
    if isinstance(error, attempt.time_limits):
        return TimedOut(attempt.timeout)
    clean = partial(without_secrets, [one.claim for one in together or [attempt]])
    if isinstance(error, Snooze):
        return Snoozed(clean(str(error)), error.after, error.until)
    tracing.failed(attempt, error, clean)
    after = error.after if isinstance(error, (Retry, TargetFailed)) else None
    return Failed(error_text(error, clean), is_final=attempt.retry.gives_up_on(error), after=after)


def occurrence_of(attempt: Attempt) -> Occurrence:
    """Build what the handler receives.

    Raises InvalidPayload when the stored text is not JSON, and UnreadablePayload when it is
    encrypted and its key is not here.
    """
    claim = attempt.claim
    return Occurrence(
        id=claim.id,
        event_id=claim.event_id,
        event_type=claim.event_type,
        service=claim.service,
        key=claim.key,
        entity_type=claim.entity_type,
        entity_id=claim.entity_id,
        payload=payload_of(claim),
        due_at=claim.due_at,
        local=claim.due_at.astimezone(_zone_info(claim.zone)),
        wall_time=claim.wall_time,
        user_timezone=claim.user_timezone,
        resource_timezone=claim.resource_timezone,
        attempt=attempt.number,
        deadline=attempt.ends_at,
        asked_to_stop=attempt.asked_to_stop,
    )


def _zone_info(name: str) -> ZoneInfo:
    return zones.get_zone(name).info
