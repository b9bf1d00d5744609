"""Execute: a started attempt runs its handler and comes to an outcome."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo

from duly import payloads
from duly.civil import zones
from duly.policy.outcome import Failed, Outcome, Succeeded, TimedOut
from duly.registry import Occurrence, Registration
from duly.store.rows import Claim

# Enough for the frames that matter; a recursion error would bring a megabyte.
LONGEST_ERROR = 8_000


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One try at an occurrence, started in the database."""

    claim: Claim
    registration: Registration
    number: int
    """1, 2, 3 …: the fencing token."""
    deadline: float
    """On the monotonic clock, in seconds."""


def run(attempt: Attempt) -> Outcome:
    """Run a plain handler to its end.

    Whatever it raises is the attempt's failure, `SystemExit` included: a handler must
    not take the engine down with it.
    """
    try:
        attempt.registration.function(occurrence_of(attempt))
    except BaseException as error:
        return Failed(error_text(error))
    return Succeeded()


async def run_async(attempt: Attempt) -> Outcome:
    """Run an `async def` handler to its end, or cancel it when its time is up."""
    timeout = attempt.registration.timeout
    limit = asyncio.timeout(timeout.total_seconds())
    try:
        async with limit:
            occurrence = occurrence_of(attempt)
            await cast("Awaitable[object]", attempt.registration.function(occurrence))
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return TimedOut(timeout) if limit.expired() else Failed(error_text(error))
    return Succeeded()


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
    )


def error_text(error: BaseException) -> str:
    """Give class and message first, then the traceback, in text that any database stores."""
    head = f"{type(error).__name__}: {error}"
    tail = "".join(traceback.format_exception(error))
    # Databases refuse NUL and lone surrogates, and a failure must be recorded all the same.
    text = f"{head[: LONGEST_ERROR // 2]}\n{tail[-LONGEST_ERROR // 2 :]}".replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8")


def _zone_info(name: str) -> ZoneInfo:
    return zones.get_zone(name).info
