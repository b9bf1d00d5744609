"""Failures: an attempt that went wrong is told, so that nobody has to go and look for it."""

from __future__ import annotations

from duly.policy.outcome import Decision
from duly.store.rows import Expired, Result
from duly.telemetry import emit

_WENT_WRONG = frozenset({"retried", "died"})


def tell_failure(event_type: str, attempt: Expired | Result, decision: Decision) -> None:
    """Tell of an attempt whose end is written, where it is to be tried again or is dead."""
    if decision.fact in _WENT_WRONG:
        emit(
            "attempt.failed",
            event_type=event_type,
            event_id=attempt.event_id,
            occurrence_id=attempt.id,
            attempt=attempt.attempt,
            fact=decision.fact,
            again_at=decision.wake_at,
            error=decision.error,
        )
