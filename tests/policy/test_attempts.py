"""The attempts at an occurrence are what its ledger tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from duly.policy.attempts import RUNNING, Told, attempts
from tests.builders import NOW

SECOND = timedelta(seconds=1)


def told(fact: str, seconds: int, attempt: int | None = None, **data: Any) -> Told:
    return Told(fact, NOW + seconds * SECOND, attempt, data)


def test_each_attempt_is_told_from_its_beginning_to_its_end() -> None:
    again = NOW + 9 * SECOND

    one, two = attempts(
        [
            told("due", 0),
            told("started", 1, 1),
            told("retried", 2, 1, error="ValueError: no", wake_at=again.isoformat()),
            told("claimed", 8),
            told("started", 9, 2),
            told("succeeded", 10, 2),
        ]
    )

    assert (one.number, one.outcome, one.error, one.retry_at) == (
        1,
        "retried",
        "ValueError: no",
        again,
    )
    assert (one.began_at, one.ended_at) == (NOW + SECOND, NOW + 2 * SECOND)
    assert (two.number, two.outcome, two.error) == (2, "succeeded", "")


def test_what_the_ledger_tells_no_end_of_is_running() -> None:
    (one,) = attempts([told("due", 0), told("started", 1, 1)])

    assert one.outcome == RUNNING
    assert one.ended_at is None


def test_the_late_result_of_a_zombie_does_not_change_what_the_attempt_came_to() -> None:
    (one,) = attempts(
        [
            told("started", 1, 1),
            told("died", 2, 1, error="LeaseLost: gone"),
            told("fenced", 5, 1, outcome="succeeded"),
        ]
    )

    assert (one.outcome, one.fenced_at) == ("died", NOW + 5 * SECOND)


def test_an_attempt_whose_beginning_is_pruned_is_told_all_the_same() -> None:
    (one,) = attempts([told("died", 2, 3, error="no", wake_at="gone")])

    assert (one.number, one.began_at, one.outcome, one.retry_at) == (3, None, "died", None)


def test_what_never_began_has_no_attempt() -> None:
    assert attempts([told("due", 0), told("cancelled", 1)]) == ()


def test_a_cancellation_ends_the_attempt_that_ran() -> None:
    (one,) = attempts([told("started", 1, 1), told("cancelled", 2)])

    assert (one.outcome, one.ended_at) == ("cancelled", NOW + 2 * SECOND)
