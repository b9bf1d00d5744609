"""What came of an attempt, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from duly.policy.retry import Retry
from duly.policy.states import OccurrenceStatus


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned."""

    context: str | None = field(default=None, repr=False)
    """JSON text of what a saga's step adds to its context."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The handler returned, and its transaction recorded that with its effects."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised."""

    error: str
    """Class and message of the exception, then its traceback."""
    is_final: bool = False
    """Whether another attempt would be of no use: it gave up, or its policy does."""
    after: timedelta | None = None
    """The wait that the handler asked for; None leaves it to the policy."""


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asked for another time; the attempt does not count."""

    reason: str
    after: timedelta | None
    until: datetime | None


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


@dataclass(frozen=True, slots=True)
class NotEntered:
    """The attempt was started ahead, and its handler never began: no thread came free."""


Outcome = Succeeded | Committed | Failed | Snoozed | TimedOut | LeaseLost | Interrupted | NotEntered


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that an occurrence takes after an attempt."""

    status: OccurrenceStatus
    fact: str
    """The ledger's word for it: succeeded, retried, snoozed, released or died."""
    wake_at: datetime | None
    """When it is tried again; None once it has ended."""
    error: str
    forgiven: bool = False
    """Whether the attempt does not count."""


def decide(
    outcome: Outcome, counted: int, retry: Retry, now: datetime, draw: Callable[[], float]
) -> Decision:
    """Decide what follows from the outcome of an attempt.

    counted: the attempts that count so far, this one included.

    A lost or interrupted first attempt is tried again at once: the handler did nothing
    wrong, and its occurrence is late already. From the second on it waits as a failure
    does, since the handler itself may be what kills its process.
    """
    match outcome:
        case Succeeded() | Committed():
            return Decision(OccurrenceStatus.SUCCEEDED, "succeeded", None, "")
        case Snoozed(reason, after, until):
            wake_at = until or now + (after or timedelta(0))
            return Decision(OccurrenceStatus.PENDING, "snoozed", wake_at, reason, forgiven=True)
        case NotEntered():
            return Decision(OccurrenceStatus.PENDING, "released", now, "", forgiven=True)
        case Failed(error, is_final, after):
            if is_final:
                return Decision(OccurrenceStatus.DEAD, "died", None, error)
            wait = retry.wait_after(counted, draw) if after is None else after
        case TimedOut(timeout):
            error = f"TimedOut: the handler was still running after {timeout.total_seconds():g} s"
            wait = retry.wait_after(counted, draw)
        case LeaseLost():
            error = "LeaseLost: the process running it stopped extending its lease"
            wait = timedelta(0) if counted == 1 else retry.wait_after(counted, draw)
        case Interrupted():
            error = "Interrupted: the engine stopped before the handler had finished"
            wait = timedelta(0) if counted == 1 else retry.wait_after(counted, draw)
        case _:
            assert_never(outcome)
    if counted >= retry.attempts:
        return Decision(OccurrenceStatus.DEAD, "died", None, error)
    return Decision(OccurrenceStatus.PENDING, "retried", now + wait, error)
