"""Execute: a started attempt runs its handler and comes to an outcome."""

from __future__ import annotations

import asyncio
import math
import random
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from django.db import transaction

from duly import payloads
from duly.civil import zones
from duly.civil.forms import rules_as_json
from duly.clock import Clock, Reading
from duly.conf import config
from duly.policy.handling import saga_of
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
from duly.registry import Occurrence, Registration
from duly.store.contract import Store
from duly.store.overlaps import is_exclusive
from duly.store.rows import Claim, Result

# Enough for the frames that matter; a recursion error would bring a megabyte.
LONGEST_ERROR = 8_000
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
    deadline: float = math.inf
    """When its time is up, on the monotonic clock; counted from when its handler begins."""
    ends_at: datetime = _NEVER
    """The same on the database's clock, for the handler to know."""
    is_asked_to_stop: bool = False

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
        )

    @property
    def is_exclusive(self) -> bool:
        """Whether others of its event may wait for its end."""
        return is_exclusive(self.claim.handling)


def run(attempt: Attempt, store: Store, clock: Clock) -> Outcome:
    """Run a plain handler to its end.

    Whatever it raises is the attempt's failure, `SystemExit` included: a handler must
    not take the engine down with it.
    """
    try:
        if attempt.registration.is_atomic:
            return _run_atomic(attempt, store, clock)
        return returned(attempt, attempt.registration.function(occurrence_of(attempt)))
    except BaseException as error:
        return raised(error, attempt.retry)


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
        return TimedOut(timeout) if limit.expired() else raised(error, attempt.retry)


def returned(attempt: Attempt, value: object) -> Succeeded:
    """Say what a handler's return makes of its attempt.

    What a saga's step returns as a dict goes into the saga's context; anything else is
    nobody's. Raises InvalidPayload for a dict that is not JSON, or too large.
    """
    if saga_of(attempt.claim.handling) is None or not isinstance(value, dict):
        return Succeeded()
    return Succeeded(payloads.encode(rules_as_json(value), config().payload_max_bytes))


def raised(error: BaseException, retry: Retry) -> Outcome:
    """Say what an exception makes of its attempt."""
    if isinstance(error, Snooze):
        return Snoozed(_storable(str(error)), error.after, error.until)
    after = error.after if isinstance(error, Retry) else None
    return Failed(error_text(error), is_final=retry.gives_up_on(error), after=after)


def occurrence_of(attempt: Attempt) -> Occurrence:
    """Build what the handler receives.

    Raises InvalidPayload when the stored text is not JSON.
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
        payload=payloads.decode(claim.payload),
        due_at=claim.due_at,
        local=claim.due_at.astimezone(_zone_info(claim.zone)),
        wall_time=claim.wall_time,
        user_timezone=claim.user_timezone,
        resource_timezone=claim.resource_timezone,
        attempt=attempt.number,
        deadline=attempt.ends_at,
        asked_to_stop=attempt.asked_to_stop,
    )


def error_text(error: BaseException) -> str:
    """Give class and message first, then the traceback, in text that any database stores."""
    head = f"{type(error).__name__}: {error}"
    tail = "".join(traceback.format_exception(error))
    return _storable(f"{head[: LONGEST_ERROR // 2]}\n{tail[-LONGEST_ERROR // 2 :]}")


def _storable(text: str) -> str:
    """Replace NUL and lone surrogates: databases refuse them, and an end must be recorded."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _zone_info(name: str) -> ZoneInfo:
    return zones.get_zone(name).info
