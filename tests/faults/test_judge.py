"""The judge of campaigns finds each defect that is put before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.faults.campaign.judge import Fault, Verdict, broken_fences, judge
from tests.faults.campaign.outcome import Outcome

DUE = 1000.0


def ack(key: str = "e:1", **fields: Any) -> dict[str, Any]:
    return {"op": "schedule", "key": key, "due": DUE, "type": "plain", "at": DUE - 60} | fields


def effect(key: str = "e:1", **fields: Any) -> dict[str, Any]:
    return {"key": key, "attempt": 1, "at": DUE + 0.01, "type": "plain"} | fields


def verdict(acks: list[Any], effects: list[Any], *faults: Fault, atomic: Any = ()) -> Verdict:
    return judge(acks, effects, atomic, faults, bound=2.0)


def violations(found: Verdict) -> list[str]:
    return [name for name, count in found.violations.items() if count]


def test_what_was_acknowledged_and_done_passes() -> None:
    found = verdict([ack()], [effect()])

    assert found.passed
    assert (found.acknowledged, found.effects) == (1, 1)


@pytest.mark.parametrize(
    ("facts", "broken"),
    [
        pytest.param([("started", 1), ("succeeded", 1)], False, id="in-order"),
        pytest.param([("started", 1), ("started", 2), ("fenced", 1)], False, id="refused"),
        pytest.param([("started", 1), ("started", 2), ("succeeded", 1)], True, id="zombie"),
        pytest.param([("started", 2), ("started", 2)], True, id="begun-twice"),
        pytest.param([("started", 2), ("started", 1)], True, id="begun-backwards"),
        pytest.param([("started", 1), ("succeeded", 1), ("started", 2)], True, id="after-the-end"),
    ],
)
def test_a_broken_fence_is_found(facts: list[tuple[str, int]], broken: bool) -> None:
    assert bool(broken_fences(("o", fact, attempt) for fact, attempt in facts)) is broken


def test_a_campaign_that_judged_nothing_does_not_pass() -> None:
    assert not verdict([], []).passed


@pytest.mark.parametrize(
    ("acks", "effects", "violation"),
    [
        pytest.param([ack()], [], "lost", id="lost"),
        pytest.param([ack()], [effect(at=DUE - 0.1)], "early", id="early"),
        pytest.param([ack()], [effect(), effect("x:1")], "phantoms", id="out-of-nowhere"),
        pytest.param(
            [ack(), {"op": "cancel", "key": "e:1", "at": DUE - 1}],
            [effect()],
            "after_cancel",
            id="after-a-cancel",
        ),
        pytest.param(
            [ack(type="flaky")],
            [effect(type="flaky"), effect(type="flaky", at=DUE + 1)],
            "unmarked_duplicates",
            id="doubled",
        ),
        pytest.param([ack()], [effect(at=DUE + 2.5)], "late", id="late"),
    ],
)
def test_a_defect_is_found(acks: list[Any], effects: list[Any], violation: str) -> None:
    assert violations(verdict(acks, effects)) == [violation]


def test_a_second_effect_in_the_database_is_found() -> None:
    found = verdict([ack(type="atomic")], [], atomic=[("e:1", 1, DUE), ("e:1", 2, DUE + 1)])

    assert violations(found) == ["atomic_duplicates"]


def test_a_second_effect_under_a_higher_attempt_is_marked() -> None:
    fault = Fault("kill", DUE, DUE + 0.5)

    found = verdict([ack()], [effect(), effect(attempt=2, at=DUE + 1)], fault)

    assert found.passed
    assert found.marked_duplicates == 1


def test_a_second_effect_that_no_fault_explains_is_found() -> None:
    found = verdict([ack()], [effect(), effect(attempt=2, at=DUE + 1)])

    assert violations(found) == ["unexplained_duplicates"]
    # A handler that fails explains itself.
    flaky = [effect(type="flaky"), effect(type="flaky", attempt=2, at=DUE + 1)]
    assert verdict([ack(type="flaky")], flaky).passed


def test_what_a_fault_delays_may_come_after_its_end() -> None:
    fault = Fault("crash", DUE - 5, DUE + 60)

    assert verdict([ack()], [effect(at=DUE + 61.5)], fault).passed
    assert violations(verdict([ack()], [effect(at=DUE + 62.5)], fault)) == ["late"]


def test_a_fault_explains_the_lateness_of_what_it_reaches_alone() -> None:
    lock = Fault("lock", DUE - 5, DUE + 60, frozenset({"e"}))

    assert verdict([ack()], [effect(at=DUE + 61)], lock).recovery == {"lock": 1.0}
    assert violations(verdict([ack("x:1")], [effect("x:1", at=DUE + 61)], lock)) == ["late"]


def test_what_was_perhaps_committed_may_fire_and_need_not() -> None:
    unsure = {"op": "unsure", "event_id": "x"}

    assert verdict([ack(), unsure], [effect(), effect("x:1")]).passed
    assert verdict([ack(), unsure], [effect()]).passed


@pytest.mark.parametrize(
    ("found", "bites", "word"),
    [
        pytest.param(verdict([ack()], [effect()]), 3, "PASS", id="struck"),
        pytest.param(verdict([ack()], [effect()]), 0, "UNKNOWN", id="never-struck"),
        pytest.param(verdict([ack()], []), 0, "FAIL", id="lost"),
    ],
)
def test_a_campaign_whose_faults_may_all_have_missed_does_not_pass(
    found: Verdict, bites: int, word: str
) -> None:
    fault = Fault("flush_broker", DUE, DUE + 1)

    outcome = Outcome(found, [fault], Counter(), frozenset(), {}, bites=Counter(flush_broker=bites))

    assert outcome.word == word
