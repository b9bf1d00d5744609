"""What came of an attempt, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from duly.policy.retry import Retry
from duly.policy.states import OccurrenceStatus


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised."""

    error: str
    """Class and message of the exception, then its traceback."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The handler was still running when its time was up."""

    timeout: timedelta


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """The process that ran the attempt stopped extending its lease."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The engine stopped, and the handler outlived the grace time."""


Outcome = Succeeded | Failed | TimedOut | LeaseLost | Interrupted


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that an occurrence takes after an attempt."""

    status: OccurrenceStatus
    fact: str
    """The ledger's word for it: succeeded, retried or died."""
    wake_at: datetime | None
    """When it is tried again; None once it has ended."""
    error: str


def decide(
    outcome: Outcome, attempt: int, retry: Retry, now: datetime, draw: Callable[[], float]
) -> Decision:
    """Decide what follows from the outcome of attempt number `attempt`.

    A lost or interrupted first attempt is tried again at once: the handler did nothing
    wrong, and its occurrence is late already. From the second on it waits as a failure
    does, since the handler itself may be what kills its process.
    """
    match outcome:
        case Succeeded():
            return Decision(OccurrenceStatus.SUCCEEDED, "succeeded", None, "")
        case Failed(error):
            wait = retry.wait_after(attempt, draw)
        case TimedOut(timeout):
            error = f"TimedOut: the handler was still running after {timeout.total_seconds():g} s"
            wait = retry.wait_after(attempt, draw)
        case LeaseLost():
            error = "LeaseLost: the process running it stopped extending its lease"
            wait = timedelta(0) if attempt == 1 else retry.wait_after(attempt, draw)
        case Interrupted():
            error = "Interrupted: the engine stopped before the handler had finished"
            wait = timedelta(0) if attempt == 1 else retry.wait_after(attempt, draw)
        case _:
            assert_never(outcome)
    if attempt >= retry.attempts:
        return Decision(OccurrenceStatus.DEAD, "died", None, error)
    return Decision(OccurrenceStatus.PENDING, "retried", now + wait, error)
