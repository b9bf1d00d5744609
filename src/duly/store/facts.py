"""The facts that the ledger records: one word each, here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from duly.models import LedgerEntry
from duly.policy.outcome import Decision
from duly.policy.trace import sampled_id

# Of events.
SCHEDULED: Final = "scheduled"
RESCHEDULED: Final = "rescheduled"
AMENDED: Final = "amended"
REDERIVED: Final = "rederived"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
CANCELLED: Final = "cancelled"
# Of occurrences.
DUE: Final = "due"
TRIGGERED: Final = "triggered"
SKIPPED: Final = "skipped"
MISSED: Final = "missed"
REPLAYED: Final = "replayed"
MOVED: Final = "moved"
BACKFILLED: Final = "backfilled"
CLAIMED: Final = "claimed"
STARTED: Final = "started"
FENCED: Final = "fenced"
RELEASED: Final = "released"
PARKED: Final = "parked"
UNPARKED: Final = "unparked"
DEFERRED: Final = "deferred"
# Of sagas, whose id stands in place of an event's.
SAGA_STARTED: Final = "saga_started"
SAGA_SIGNALLED: Final = "saga_signalled"
SAGA_MOVED: Final = "saga_moved"
# Of either: why a person did what stands beside it.
NOTED: Final = "noted"
# Of no event.
PRUNED: Final = "pruned"
ROTATED: Final = "payloads_rotated"
BREAKER_OPENED: Final = "breaker_opened"
BREAKER_CLOSED: Final = "breaker_closed"
NOTIFIED: Final = "notified"
NOTIFICATION_FAILED: Final = "notification_failed"
KEY_ISSUED: Final = "key_issued"
KEY_ROTATED: Final = "key_rotated"
KEY_REVOKED: Final = "key_revoked"
THE_LEDGER: Final = UUID(int=0)
"""The event id of these."""
CALLED: Final = "called"
THE_CALLS: Final = UUID(int=1)
"""The event id of calls, which are many, and go when history is pruned."""
# `Decision.fact` brings: succeeded, retried, snoozed, died.

ENGINE: Final = "engine"


def entry(  # noqa: PLR0913 - the columns of one row
    fact: str,
    at: datetime,
    event_id: UUID,
    occurrence_id: UUID | None = None,
    *,
    attempt: int | None = None,
    actor: str = ENGINE,
    data: Mapping[str, Any] | None = None,
) -> LedgerEntry:
    """Build one ledger row."""
    return LedgerEntry(
        fact=fact,
        at=at,
        event_id=event_id,
        occurrence_id=occurrence_id,
        attempt=attempt,
        actor=actor,
        data=dict(data) if data else None,
    )


def decision_data(decision: Decision, trace: str = "") -> dict[str, Any] | None:
    """Say in the ledger what a decision adds: the error, and when it is tried again.

    trace: the `traceparent` of the attempt, whose id is told where the trace is kept.
    """
    data: dict[str, Any] = {}
    if trace and (id_ := sampled_id(trace)):
        data["trace_id"] = id_
    if decision.error:
        data["error"] = decision.error
    if decision.wake_at is not None:
        data["wake_at"] = decision.wake_at.isoformat()
    return data or None
