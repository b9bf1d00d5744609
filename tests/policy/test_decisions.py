"""What follows from an attempt: pure, and therefore tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from duly.errors import ConfigurationError
from duly.policy.outcome import (
    Failed,
    Interrupted,
    LeaseLost,
    Outcome,
    Snoozed,
    Succeeded,
    TimedOut,
    decide,
)
from duly.policy.retry import GiveUp, Retry, Snooze
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


def test_every_state_has_its_moves_and_what_has_ended_can_only_be_replayed() -> None:
    assert set(MOVES) == set(OccurrenceStatus)
    assert set(OccurrenceStatus) == LIVE | TERMINAL
    assert not can_move(OccurrenceStatus.SUCCEEDED, OccurrenceStatus.RUNNING)
    assert not can_move(OccurrenceStatus.DEAD, OccurrenceStatus.RUNNING)
    assert can_move(OccurrenceStatus.RUNNING, OccurrenceStatus.PENDING)


class _Nope(Exception):
    pass


class _Later(Exception):
    pass


@pytest.mark.parametrize(
    ("retry", "error", "final"),
    [
        pytest.param(Retry(), _Nope(), False, id="any-error"),
        pytest.param(Retry(), GiveUp("no"), True, id="give-up"),
        pytest.param(Retry(give_up_on=_Nope), _Nope(), True, id="give-up-on"),
        pytest.param(Retry(retry_on=_Later), _Nope(), True, id="not-in-retry-on"),
        pytest.param(Retry(retry_on=(_Later, OSError)), TimeoutError(), False, id="subclass"),
        pytest.param(Retry(retry_on=_Later), Retry(after=3), False, id="asked-for"),
        pytest.param(Retry(retry_on=_Nope, give_up_on=_Nope), _Nope(), True, id="both"),
    ],
)
def test_the_policy_says_which_errors_are_worth_another_attempt(
    retry: Retry, error: Exception, final: bool
) -> None:
    assert retry.gives_up_on(error) is final


def test_a_handler_that_asks_for_a_wait_gets_exactly_that() -> None:
    decision = decide(Failed("no", after=timedelta(minutes=7)), 1, RETRY, NOW, full)

    assert decision.wake_at == NOW + timedelta(minutes=7)


def test_giving_up_is_death_on_the_first_attempt() -> None:
    decision = decide(Failed("no", is_final=True), 1, RETRY, NOW, full)

    assert (decision.status, decision.wake_at) == ("dead", None)


def test_a_snooze_waits_and_spends_no_attempt_even_on_the_last() -> None:
    decision = decide(Snoozed("busy", timedelta(minutes=1), None), 3, RETRY, NOW, full)

    assert (decision.status, decision.fact, decision.forgiven) == ("pending", "snoozed", True)
    assert decision.wake_at == NOW + timedelta(minutes=1)
    until = decide(Snoozed("", None, NOW + timedelta(hours=2)), 1, RETRY, NOW, full)
    assert until.wake_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda: Snooze(), "either after= or until=", id="nothing"),
        pytest.param(lambda: Snooze(1, until=NOW), "either after= or until=", id="both"),
        pytest.param(lambda: Snooze(-1), "must not be below zero", id="past"),
        pytest.param(lambda: Snooze(until=datetime(2026, 1, 1)), "aware instant", id="naive"),
        pytest.param(lambda: Retry(after="soon"), "timedelta or seconds", id="text"),  # type: ignore[arg-type]
        pytest.param(lambda: Retry(retry_on=("x",)), "exception classes, got 'x'", id="class"),  # type: ignore[arg-type]
    ],
)
def test_a_signal_that_cannot_work_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build()
