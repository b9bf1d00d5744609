"""What a process makes of the readings of its database's clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from duly.clock import CONFIRM_SECONDS, Belief, Reading, weigh
from tests.builders import NOW

MINUTES = 300.0


def reading(seconds: float, jump: float = 0.0, took: float = 0.001) -> Reading:
    """Read, `seconds` after the first time, a clock that has jumped."""
    return Reading(NOW + timedelta(seconds=seconds + jump), seconds, took)


def belief(*readings: Reading) -> Belief:
    found: Belief | None = None
    for one in readings:
        found = weigh(found, one)
    assert found is not None
    return found


def offset(found: Belief) -> float:
    """How far the time that is trusted is from the time that was first read."""
    at = found.read_at
    return (found.trusted.carried(at) - NOW).total_seconds() - at


@pytest.mark.parametrize(
    ("readings", "trusted", "doubted"),
    [
        pytest.param([reading(0)], 0, 0, id="the-first"),
        pytest.param([reading(0), reading(1, 0.4)], 0.4, 0, id="set-by-less-than-a-second"),
        pytest.param([reading(0), reading(1, MINUTES)], 0, MINUTES, id="ahead"),
        pytest.param([reading(0), reading(1, -MINUTES)], 0, -MINUTES, id="behind"),
        pytest.param([reading(0), reading(1, MINUTES), reading(2)], 0, 0, id="and-back"),
        pytest.param(
            [reading(0), reading(1, MINUTES), reading(CONFIRM_SECONDS, MINUTES)],
            0,
            MINUTES,
            id="not-yet-confirmed",
        ),
        pytest.param(
            [reading(0), reading(1, -MINUTES), reading(1 + CONFIRM_SECONDS, -MINUTES)],
            -MINUTES,
            0,
            id="confirmed",
        ),
        pytest.param(
            [reading(0), reading(1, 60), reading(59, MINUTES), reading(61, MINUTES)],
            0,
            MINUTES,
            id="a-clock-that-jumps-twice-is-doubted-anew",
        ),
        pytest.param([reading(0), reading(9, -8.0, took=8.5)], 0, 0, id="an-answer-that-hung"),
        pytest.param([reading(0, -5, took=6), reading(7)], 0, 0, id="a-first-answer-that-hung"),
        pytest.param([reading(0), reading(9, -20, took=8.5)], 0, -20, id="hung-and-jumped"),
        pytest.param([reading(0), reading(86_400, 8.6)], 8.6, 0, id="a-day-of-drift"),
    ],
)
def test_a_reading_is_believed_where_it_fits_and_once_it_has_held(
    readings: list[Reading], trusted: float, doubted: float
) -> None:
    found = belief(*readings)

    assert offset(found) == pytest.approx(trusted)
    assert found.doubt().total_seconds() == pytest.approx(doubted)


def test_an_answer_that_hung_does_not_make_time_late() -> None:
    found = belief(reading(0), reading(9, -0.9, took=0.9))

    assert offset(found) == 0
