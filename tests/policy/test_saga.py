"""Where sagas go: a table of single moves, and every path of small ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.errors import InvalidSaga
from duly.policy.retry import Retry
from duly.policy.saga import (
    ENDED,
    Begin,
    Cancelled,
    Compensate,
    Compensated,
    CompensationFailed,
    Fact,
    Failed,
    Move,
    SagaStatus,
    Started,
    State,
    StepStatus,
    Stop,
    Succeeded,
    TimedOut,
    advance,
    is_owed,
)
from duly.policy.saga_definition import Definition, Node, Step, WaitFor, WaitUntil

DAY = timedelta(days=1)


def step(name: str, **fields: Any) -> Step:
    compensation = fields.pop("compensation", f"undo_{name}")
    return Step(name=name, event_type=name, service="s", compensation=compensation, **fields)


def of(*groups: Node | tuple[Node, ...]) -> Definition:
    return Definition("test", tuple(g if isinstance(g, tuple) else (g,) for g in groups))


def after(definition: Definition, *facts: Fact) -> Move:
    move = advance(definition, State.at_start(definition), Started())
    for fact in facts:
        move = advance(definition, move.state, fact)
    return move


TWO = of(step("a"), step("b"))
PAIR = of(step("a"), (step("b"), step("c")), step("d"))
MAYBE = of(step("a", compensate_after="attempt"))
ROWS = [
    pytest.param(TWO, [], "running", [Begin(0)], id="begins-with-the-first"),
    pytest.param(TWO, [Succeeded(0)], "running", [Begin(1)], id="goes-on-with-the-next"),
    pytest.param(TWO, [Succeeded(0), Succeeded(0)], "running", [], id="no-news-changes-nothing"),
    pytest.param(TWO, [Succeeded(0), Succeeded(1)], "completed", [], id="ends-after-the-last"),
    pytest.param(
        TWO, [Failed(0, "no", began=True)], "compensated", [], id="what-failed-is-not-compensated"
    ),
    pytest.param(
        TWO,
        [Succeeded(0), Failed(1, "no", began=True)],
        "compensating",
        [Compensate(0)],
        id="what-is-done-is-compensated",
    ),
    pytest.param(
        MAYBE,
        [Failed(0, "no", began=True)],
        "compensating",
        [Compensate(0)],
        id="an-attempt-may-have-worked",
    ),
    pytest.param(
        MAYBE, [Failed(0, "no", began=False)], "compensated", [], id="what-never-ran-has-not"
    ),
    pytest.param(PAIR, [Succeeded(0)], "running", [Begin(1), Begin(2)], id="parallel-steps"),
    pytest.param(PAIR, [Succeeded(0), Succeeded(2)], "running", [], id="awaits-the-whole-group"),
    pytest.param(
        PAIR,
        [Succeeded(0), Failed(1, "no", began=True)],
        "compensating",
        [Stop(2)],
        id="the-others-of-a-group-are-awaited",
    ),
    pytest.param(
        PAIR,
        [Succeeded(0), Failed(1, "no", began=True), Succeeded(2)],
        "compensating",
        [Compensate(2)],
        id="in-reverse",
    ),
    pytest.param(
        TWO, [Succeeded(0), Cancelled("enough")], "compensating", [Stop(1)], id="cancelled"
    ),
    pytest.param(
        TWO,
        [Succeeded(0), Cancelled("enough"), Failed(1, "", began=False), Compensated(0)],
        "cancelled",
        [],
        id="cancelled-and-compensated",
    ),
    pytest.param(
        TWO,
        [Succeeded(0), Failed(1, "no", began=True), CompensationFailed(0, "no")],
        "failed",
        [],
        id="a-dead-compensation-needs-a-person",
    ),
    pytest.param(
        TWO,
        [Succeeded(0), Failed(1, "", began=True), CompensationFailed(0, "no"), Compensated(0)],
        "compensated",
        [],
        id="replayed-it-goes-on",
    ),
    pytest.param(TWO, [TimedOut(0)], "compensating", [Stop(0)], id="a-step-out-of-time-is-stopped"),
    pytest.param(
        TWO,
        [TimedOut(0), Succeeded(0)],
        "compensating",
        [Compensate(0)],
        id="its-late-success-is-compensated",
    ),
    pytest.param(
        TWO,
        [Failed(0, "no", began=True), Succeeded(0)],
        "compensating",
        [Compensate(0)],
        id="success-after-the-end-is-compensated",
    ),
    pytest.param(of(WaitFor("x", DAY)), [], "waiting", [Begin(0)], id="waits"),
    pytest.param(
        of(WaitFor("x", DAY)), [TimedOut(0)], "compensated", [], id="a-deadline-that-passed"
    ),
    pytest.param(
        of(step("a"), WaitFor("x", DAY)),
        [Succeeded(1), Succeeded(0)],
        "completed",
        [],
        id="a-signal-that-came-early",
    ),
    pytest.param(
        of((step("a"), WaitUntil("x"))), [Succeeded(0)], "waiting", [], id="a-wait-in-a-group"
    ),
    pytest.param(
        of(WaitUntil("x")), [Cancelled("enough")], "cancelled", [Stop(0)], id="a-wait-ends-at-once"
    ),
]


@pytest.mark.parametrize(("definition", "facts", "status", "commands"), ROWS)
def test_a_saga_moves(
    definition: Definition, facts: list[Fact], status: str, commands: list[Any]
) -> None:
    move = after(definition, *facts)

    assert (move.state.status, list(move.commands)) == (status, commands)


NODES = st.one_of(
    st.builds(
        lambda timeout, after, undo: (timeout, after, undo),
        st.sampled_from([None, DAY]),
        st.sampled_from(["success", "attempt"]),
        st.booleans(),
    ),
    st.sampled_from(["until", "for"]),
)


def built(shape: list[list[Any]]) -> Definition:
    names = iter("abcdefgh")

    def node(kind: Any) -> Node:
        name = next(names)
        if kind == "until":
            return WaitUntil(name)
        if kind == "for":
            return WaitFor(name, DAY)
        timeout, compensate_after, undo = kind
        compensation = f"undo_{name}" if undo else None
        return step(
            name,
            timeout=timeout,
            compensate_after=compensate_after,
            compensation=compensation,
        )

    return of(*(tuple(map(node, group)) for group in shape))


SHAPES = st.lists(st.lists(NODES, min_size=1, max_size=2), min_size=1, max_size=3)


def possible(definition: Definition, state: State, *, is_sure: bool) -> Iterator[Fact]:
    """Give every fact that the world may bring about next; `is_sure`: compensations succeed."""
    for position, (forth, back) in enumerate(zip(state.forward, state.backward, strict=True)):
        node = definition.nodes[position]
        if forth in (StepStatus.RUNNING, StepStatus.STOPPING):
            yield Succeeded(position)
            yield Failed(position, "no", began=True)
            yield Failed(position, "no", began=False)
        has_timer = isinstance(node, WaitFor) or (isinstance(node, Step) and node.timeout)
        if forth is StepStatus.RUNNING and has_timer:
            yield TimedOut(position)
        if forth is StepStatus.PLANNED and isinstance(node, WaitFor) and state.status == "running":
            yield Succeeded(position)
        if back is StepStatus.RUNNING:
            yield Compensated(position)
            if not is_sure:
                yield CompensationFailed(position, "no")
    if state.status in ("running", "waiting"):
        yield Cancelled("enough")


@given(shape=SHAPES, is_sure=st.booleans())
def test_every_path_ends_completed_or_with_all_that_is_owed_compensated(
    shape: list[list[Any]], is_sure: bool
) -> None:
    definition = built(shape)
    first = advance(definition, State.at_start(definition), Started())
    seen: set[State] = set()
    ahead = [first.state]
    while ahead:
        state = replace(ahead.pop(), reason="")
        if state in seen:
            continue
        seen.add(state)
        nexts = list(possible(definition, state, is_sure=is_sure))
        if not any(not isinstance(fact, Cancelled) for fact in nexts):
            check_the_end(definition, state)
            continue
        assert state.status not in ENDED
        for fact in nexts:
            move = advance(definition, state, fact)
            check_the_move(definition, state, move)
            ahead.append(move.state)


def check_the_end(definition: Definition, state: State) -> None:
    owed = [p for p in range(len(definition.nodes)) if is_owed(definition, state, p)]
    match state.status:
        case SagaStatus.COMPLETED:
            assert set(state.forward) == {StepStatus.SUCCEEDED}
            assert set(state.backward) == {StepStatus.PLANNED}
        case SagaStatus.COMPENSATED | SagaStatus.CANCELLED:
            assert all(state.backward[p] is StepStatus.SUCCEEDED for p in owed)
        case SagaStatus.FAILED:
            assert StepStatus.FAILED in state.backward
        case _:
            pytest.fail(f"it stands still as {state}")


def check_the_move(definition: Definition, before: State, move: Move) -> None:
    for command in move.commands:
        position = command.position
        if isinstance(command, Begin):
            assert before.status in ("running", "waiting")
            (stage,) = [s for s in definition.stages if position in s]
            assert all(move.state.forward[p] is StepStatus.SUCCEEDED for p in range(stage[0]))
        if isinstance(command, Compensate):
            assert is_owed(definition, move.state, position), "it never ran"
            assert before.backward[position] is StepStatus.PLANNED, "twice"
            assert not {StepStatus.RUNNING, StepStatus.STOPPING} & set(move.state.forward)
            (stage,) = [s for s in definition.stages if position in s]
            later = range(stage[-1] + 1, len(definition.nodes))
            assert all(
                move.state.backward[p] is StepStatus.SUCCEEDED
                for p in later
                if is_owed(definition, move.state, p)
            ), "not in reverse"


def test_a_definition_survives_its_json_form() -> None:
    definition = of(
        step("a", timeout=DAY, retry=Retry(attempts=3), compensate_after="attempt"),
        (step("b", compensation=None), WaitUntil("u"), WaitFor("f", DAY)),
    )

    read = Definition.from_json(definition.to_json())

    assert read.to_json() == definition.to_json()
    assert read.version == definition.version
    assert read.version != TWO.version


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: of(), "must have 1 to 100 steps"),
        (lambda: of(step("a"), step("a")), "'a' twice"),
        (lambda: step(""), "1 to 100 printable characters"),
        (lambda: step("a", timeout=timedelta(0)), "above zero"),
        (lambda: step("a", timeout=timedelta(days=9999)), "at most 3660 days"),
        (lambda: step("a", retry=Retry(retry_on=ValueError)), "belong to its handler"),
        (lambda: step("a", compensate_after="never"), "must be one of success, attempt"),
        (lambda: WaitFor("x", timedelta(0)), "above zero"),
        (lambda: Definition.from_json({"v": 2}), "version must be 1"),
        (
            lambda: Definition.from_json({"v": 1, "name": "n", "groups": [[{"kind": "x"}]]}),
            "a kind unknown here",
        ),
    ],
)
def test_a_definition_that_cannot_be_is_refused(build: Any, said: str) -> None:
    with pytest.raises(InvalidSaga, match=said):
        build()
