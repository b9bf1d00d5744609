"""When a target is not asked, when it is tried, and how the rest is let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly.errors import ConfigurationError
from duly.policy.breaker import HELD_OPEN, RECOVERED, Breaker, BreakerState, BreakerStatus

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
BREAKER = Breaker(failures=3, share=0.5, least=10, open_for=timedelta(seconds=30))
OK, NO = True, False


def after(*results: bool, state: BreakerState | None = None, now: datetime = NOW) -> BreakerState:
    return (state or BreakerState()).counted(BREAKER, results, now)


def half_open() -> BreakerState:
    return after(NO, NO, NO).tried(NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    ("results", "opens"),
    [
        pytest.param([NO, NO], False, id="fewer-in-a-row-than-it-takes"),
        pytest.param([NO, NO, NO], True, id="so-many-in-a-row"),
        pytest.param([NO, NO, OK, NO, NO], False, id="a-success-between"),
        pytest.param([OK, NO, NO] * 3, False, id="a-large-share-of-few"),
        pytest.param([OK, NO, NO] * 3 + [OK, NO], True, id="a-large-share-of-enough"),
        pytest.param([OK, OK, NO] * 40, False, id="a-small-share-of-many"),
    ],
)
def test_it_opens_by_failures_in_a_row_and_by_their_share(results: list[bool], opens: bool) -> None:
    assert (after(*results).status is BreakerStatus.OPEN) is opens


def test_failures_of_an_earlier_window_do_not_count_in_a_share() -> None:
    state = after(*[OK, NO, NO] * 3)

    later = after(OK, NO, NO, state=state, now=NOW + BREAKER.window)

    assert (later.status, later.failed, later.succeeded) == (BreakerStatus.CLOSED, 2, 1)


def test_what_began_before_it_opened_says_nothing_any_more() -> None:
    opened = after(NO, NO, NO)

    assert after(OK, NO, OK, state=opened) == opened


def test_it_is_tried_with_one_once_its_time_has_come() -> None:
    opened = after(NO, NO, NO)

    early = opened.tried(NOW + timedelta(seconds=29))
    tried = opened.tried(NOW + timedelta(seconds=30))

    assert early.status is BreakerStatus.OPEN
    assert (tried.status, tried.allowed) == (BreakerStatus.HALF_OPEN, 1)


def test_each_success_lets_in_twice_as_many_until_it_is_closed() -> None:
    state, allowed = half_open(), []
    while state.status is BreakerStatus.HALF_OPEN:
        allowed.append(state.allowed)
        state = after(OK, state=state)

    assert allowed == [1, 2, 4, 8, 16, 32, RECOVERED]
    assert state == BreakerState()


def test_each_failed_try_keeps_it_open_twice_as_long_up_to_a_cap() -> None:
    state, now, waits = after(NO, NO, NO), NOW, []
    for _ in range(6):
        assert state.probe_at is not None
        waits.append((state.probe_at - now).total_seconds())
        now = state.probe_at
        state = after(NO, state=state.tried(now), now=now)

    assert waits == [30, 60, 120, 240, 300, 300]


def test_one_that_was_opened_by_hand_is_never_tried() -> None:
    assert HELD_OPEN.tried(NOW + timedelta(days=365)) == HELD_OPEN


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"failures": 0}, "failures of a breaker must be a whole number from 1 on, got 0"),
        ({"least": True}, "least of a breaker must be a whole number"),
        ({"share": 1.5}, "share of a breaker must be above 0, and 1 at most, got 1.5"),
        ({"window": timedelta(0)}, "window of a breaker must be a timedelta above zero"),
        ({"open_cap": timedelta(seconds=1)}, "open_cap of a breaker must not be below"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Breaker(**fields)
