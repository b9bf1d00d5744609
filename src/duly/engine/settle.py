"""Settle: what the end of an attempt tells the gates that it had passed."""

from __future__ import annotations

from duly.engine.execute import Attempt
from duly.policy.outcome import Committed, Failed, Outcome, Succeeded, TimedOut
from duly.store.gates import Passed


def passed_by(attempt: Attempt, outcome: Outcome) -> Passed | None:
    """Say what came of an attempt, for its gates; None where it had none to pass."""
    if not attempt.terms:
        return None
    return Passed(attempt.claim.id, attempt.number, attempt.terms, _answered(outcome))


def _answered(outcome: Outcome) -> bool | None:
    """Say whether a target did its part; None: the outcome says nothing of it."""
    match outcome:
        case Succeeded() | Committed():
            return True
        case Failed(is_final=is_final):
            # What is refused for good is the occurrence, by a target that is there.
            return is_final
        case TimedOut():
            return False
    return None
