"""Who is let in at once, who waits, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.errors import ConfigurationError
from duly.policy.breaker import HELD_OPEN, Breaker, BreakerState, BreakerStatus
from duly.policy.gates import PASSES, Gate, Terms, Verdict, judge
from duly.policy.limits import Limits
from duly.policy.rate import Rate

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OPEN = BreakerState(status=BreakerStatus.OPEN, probe_at=NOW + 10 * SECOND)


def gate(
    name: str = "service:crm",
    *,
    in_flight: int | None = None,
    rate: str | None = None,
    under_way: int = 0,
    breaker: BreakerState | None = None,
) -> Gate:
    terms = Terms(Limits(in_flight, rate), Breaker())
    return Gate(name, terms, breaker or BreakerState(), None, under_way)


def ask(*gates: Gate, reserved: str = "", late: timedelta = timedelta(0)) -> Verdict:
    return judge(
        gates,
        due_at=NOW - late,
        reserved=frozenset([reserved]),
        now=NOW,
        draw=lambda: 0.5,
    )


def test_no_more_pass_than_may_be_under_way() -> None:
    one = gate(in_flight=3, under_way=1)

    verdicts = [ask(one) for _ in range(3)]

    assert verdicts[:2] == [PASSES, PASSES]
    assert (verdicts[2].gate, verdicts[2].reason) == ("service:crm", "3 under way")


def test_what_one_gate_keeps_out_takes_nothing_at_another() -> None:
    full, other = gate("full", in_flight=1, under_way=1), gate("other", in_flight=5, rate="9/m")

    verdict = ask(other, full)

    assert verdict.gate == "full"
    assert (other.under_way, other.full_at) == (0, None)


def test_a_bucket_gives_what_it_holds_and_then_evenly() -> None:
    one = gate(rate="3/m")

    waits = [ask(one).until for _ in range(5)]

    assert waits == [None, None, None, NOW + 20 * SECOND, NOW + 40 * SECOND]


def test_a_token_that_was_taken_before_is_not_taken_again() -> None:
    one = gate(rate="1/h")
    ask(one)

    assert ask(one, reserved="service:crm") is PASSES


def test_what_waits_for_one_token_keeps_those_of_its_other_gates() -> None:
    fast, slow = gate("fast", rate="60/m"), gate("slow", rate="1/h")
    ask(fast, slow)

    verdict = ask(fast, slow)

    assert verdict.gate == "slow"
    full_at = fast.full_at
    again = judge([fast, slow], due_at=NOW, reserved=verdict.reserved, now=NOW, draw=lambda: 0.5)
    assert (again, fast.full_at) == (PASSES, full_at)


def test_while_a_breaker_is_open_one_waits_for_the_moment_it_is_tried_at() -> None:
    one = gate(breaker=OPEN)

    first, second = ask(one), ask(one)

    assert (first.until, first.reason) == (OPEN.probe_at, "breaker open")
    assert second.until == NOW + 30 * SECOND


def test_when_its_time_has_come_one_alone_is_let_in() -> None:
    one = gate(breaker=BreakerState(status=BreakerStatus.OPEN, probe_at=NOW))

    assert [ask(one) is PASSES for _ in range(3)] == [True, False, False]


def test_what_was_opened_by_hand_lets_nobody_in() -> None:
    assert ask(gate(breaker=HELD_OPEN)).reason == "breaker held open"


@pytest.mark.parametrize(
    ("late", "wait"),
    [
        pytest.param(0, 30, id="at-once"),
        pytest.param(120, 60, id="half-its-lateness"),
        pytest.param(7200, 1800, id="half-an-hour-at-most"),
    ],
)
def test_who_has_waited_long_is_looked_at_more_rarely(late: int, wait: int) -> None:
    verdict = ask(gate(in_flight=1, under_way=1), late=late * SECOND)

    assert verdict.until == NOW + wait * SECOND


@given(
    count=st.integers(1, 50),
    per=st.sampled_from("smhd"),
    steps=st.lists(st.floats(0, 120), max_size=80),
)
def test_no_window_lets_in_more_than_a_full_bucket_and_what_flows_into_it(
    count: int, per: str, steps: list[float]
) -> None:
    rate = Rate.parse(f"{count}/{per}")
    now, full_at, used = NOW, None, []
    for step in steps:
        now += timedelta(seconds=step)
        usable_at, full_at = rate.take(full_at, now)
        used.append(usable_at)

    assert used == sorted(used)
    for first in range(len(used)):
        for last in range(first, len(used)):
            flowed = (used[last] - used[first]) / (rate.per / rate.count)
            assert last - first + 1 <= count + flowed + 1e-3


@pytest.mark.parametrize("text", ["0/m", "-1/s", "10", "10/y", "1.5/s", "", None, 10])
def test_a_rate_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(ConfigurationError, match="such as '100/m'; got"):
        Rate.parse(text)
