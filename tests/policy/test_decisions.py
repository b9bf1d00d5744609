"""What follows from an attempt: pure, and therefore tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from duly.errors import ConfigurationError
from duly.policy.outcome import (
    Failed,
    Interrupted,
    LeaseLost,
    Outcome,
    Succeeded,
    TimedOut,
    decide,
)
from duly.policy.retry import Retry
from duly.policy.states import LIVE, MOVES, TERMINAL, OccurrenceStatus, can_move

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RETRY = Retry(attempts=3, base=timedelta(seconds=10), cap=timedelta(seconds=15))


def full() -> float:
    return 1.0


def test_success_ends_the_occurrence() -> None:
    decision = decide(Succeeded(), 1, RETRY, NOW, full)

    assert (decision.status, decision.wake_at, decision.error) == ("succeeded", None, "")


@pytest.mark.parametrize(
    ("outcome", "attempt", "wait"),
    [
        pytest.param(Failed("no"), 1, 10, id="first-failure"),
        pytest.param(Failed("no"), 2, 15, id="second-failure-is-capped"),
        pytest.param(TimedOut(timedelta(seconds=3)), 1, 10, id="time-out"),
        pytest.param(LeaseLost(), 1, 0, id="first-crash-at-once"),
        pytest.param(LeaseLost(), 2, 15, id="second-crash-waits"),
        pytest.param(Interrupted(), 1, 0, id="stopped-engine-at-once"),
    ],
)
def test_a_failed_attempt_is_tried_again_after_its_wait(
    outcome: Outcome, attempt: int, wait: int
) -> None:
    decision = decide(outcome, attempt, RETRY, NOW, full)

    assert decision.status == OccurrenceStatus.PENDING
    assert decision.wake_at == NOW + timedelta(seconds=wait)


@pytest.mark.parametrize("outcome", [Failed("no"), LeaseLost(), TimedOut(timedelta(1))], ids=str)
def test_the_last_attempt_is_followed_by_death_with_its_error(outcome: Outcome) -> None:
    decision = decide(outcome, 3, RETRY, NOW, full)

    assert (decision.status, decision.fact, decision.wake_at) == ("dead", "died", None)
    assert decision.error


def test_full_jitter_draws_from_nothing_to_the_whole_wait() -> None:
    assert RETRY.wait_after(1, lambda: 0.0) == timedelta(0)
    assert RETRY.wait_after(1, lambda: 0.5) == timedelta(seconds=5)


def test_the_thousandth_wait_does_not_overflow() -> None:
    assert Retry().wait_after(1000, full) == Retry().cap


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"attempts": 0}, "attempts must be 1 or more, got 0", id="no-attempt"),
        pytest.param({"attempts": True}, "attempts must be a whole number", id="bool"),
        pytest.param({"base": timedelta(0)}, "base must be above zero", id="no-base"),
        pytest.param({"base": 5}, "base must be a timedelta, got 5", id="number"),
        pytest.param({"cap": timedelta(seconds=1)}, "cap must not be below base", id="low-cap"),
    ],
)
def test_an_impossible_retry_policy_is_refused_at_birth(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Retry(**fields)  # type: ignore[arg-type]


def test_every_state_has_its_moves_and_the_ended_have_none_but_revival() -> None:
    assert set(MOVES) == set(OccurrenceStatus)
    assert set(OccurrenceStatus) == LIVE | TERMINAL
    assert not can_move(OccurrenceStatus.SUCCEEDED, OccurrenceStatus.RUNNING)
    assert not can_move(OccurrenceStatus.DEAD, OccurrenceStatus.RUNNING)
    assert can_move(OccurrenceStatus.RUNNING, OccurrenceStatus.PENDING)
