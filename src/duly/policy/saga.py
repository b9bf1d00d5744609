"""Where a saga goes from each of its states: forward step by step, or back by compensations.

A saga is data. What it does next is decided from its stored definition and the states of its
steps alone; nothing is replayed, so that new code never has to agree with an old run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, assert_never

from duly.policy.saga_definition import Definition, Step, WaitFor


class SagaStatus(StrEnum):
    """Where a saga is in its life."""

    RUNNING = "running"
    WAITING = "waiting"
    """All that is open are waits."""
    COMPENSATING = "compensating"
    """It goes no further: what runs is awaited, then compensations run in reverse."""
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    CANCELLED = "cancelled"
    """Compensated, because a person asked for it."""
    FAILED = "failed"
    """A compensation died; once it is replayed and succeeds, the others follow."""


FORWARD = frozenset({SagaStatus.RUNNING, SagaStatus.WAITING})
ENDED = frozenset({SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.CANCELLED})


class StepStatus(StrEnum):
    """Where a step, a wait or a compensation is."""

    PLANNED = "planned"
    RUNNING = "running"
    """Its event is scheduled, and has not ended."""
    STOPPING = "stopping"
    """Its attempt under way is awaited; no other is made."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """An attempt of it began, and it came to nothing."""
    CANCELLED = "cancelled"
    """No attempt of it ever began."""


_OPEN = frozenset({StepStatus.RUNNING, StepStatus.STOPPING})
_LOST = frozenset({StepStatus.FAILED, StepStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class State:
    """A saga at one moment; both rows of statuses are by position."""

    status: SagaStatus
    forward: tuple[StepStatus, ...]
    backward: tuple[StepStatus, ...]
    """Of the compensations; planned where there is none yet."""
    is_cancelled: bool = False
    """Whether a person asked for its end."""
    reason: str = ""
    """Why it does not go forward any more."""

    @classmethod
    def at_start(cls, definition: Definition) -> State:
        """Give the state before anything has happened."""
        planned = (StepStatus.PLANNED,) * len(definition.nodes)
        return cls(SagaStatus.RUNNING, planned, planned)


@dataclass(frozen=True, slots=True)
class Started:
    """The saga is there."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A step's occurrence succeeded, a wait's instant came, or its signal was given."""

    position: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A step or a wait will not succeed any more."""

    position: int
    reason: str
    began: bool
    """Whether an attempt of it ever began."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The time that a step, or a signal, had is up."""

    position: int


@dataclass(frozen=True, slots=True)
class Compensated:
    """A compensation succeeded."""

    position: int


@dataclass(frozen=True, slots=True)
class CompensationFailed:
    """A compensation died, or was cancelled."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person asked for the end of the saga."""

    reason: str


Fact: TypeAlias = (
    Started | Succeeded | Failed | TimedOut | Compensated | CompensationFailed | Cancelled
)


@dataclass(frozen=True, slots=True)
class Begin:
    """Schedule a step, or set up a wait."""

    position: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel what of a step or a wait has not begun."""

    position: int


@dataclass(frozen=True, slots=True)
class Compensate:
    """Schedule the compensation of a step."""

    position: int


Command: TypeAlias = Begin | Stop | Compensate


@dataclass(frozen=True, slots=True)
class Move:
    """What follows from a fact."""

    state: State
    commands: tuple[Command, ...] = ()


def advance(definition: Definition, state: State, fact: Fact) -> Move:
    """Say where a saga goes once a fact is known.

    A fact that is no news changes nothing. A step that was given up and succeeds all the same
    has had its effect: it is compensated, even where the saga had come to its end.

    Source: Garcia-Molina and Salem, "Sagas", SIGMOD 1987, backward recovery.
    """
    known = _applied(definition, state, fact)
    if known == state and not isinstance(fact, Started):
        return Move(state)
    if known.status in FORWARD and any(
        status in _LOST or status is StepStatus.STOPPING for status in known.forward
    ):
        known = replace(known, status=SagaStatus.COMPENSATING)
    return _forward(definition, known) if known.status in FORWARD else _back(definition, known)


def is_owed(definition: Definition, state: State, position: int) -> bool:
    """Say whether a step has to be compensated, once the saga goes back."""
    node = definition.nodes[position]
    if not isinstance(node, Step) or node.compensation is None:
        return False
    status = state.forward[position]
    may_have_worked = status is StepStatus.FAILED and node.compensate_after == "attempt"
    return status is StepStatus.SUCCEEDED or may_have_worked


def _applied(definition: Definition, state: State, fact: Fact) -> State:
    match fact:
        case Started():
            return state
        case Succeeded(position):
            return _with_forward(state, [position], StepStatus.SUCCEEDED)
        case Failed():
            return _failed(state, fact)
        case TimedOut(position):
            return _timed_out(definition, state, position)
        case Compensated(position):
            return _with_backward(state, [position], StepStatus.SUCCEEDED)
        case CompensationFailed():
            return _compensation_failed(state, fact)
        case Cancelled() if state.status not in FORWARD:
            return state
        case Cancelled(reason):
            cancelled = replace(state, status=SagaStatus.COMPENSATING, is_cancelled=True)
            return _because(reason, cancelled)
        case _:
            assert_never(fact)


def _failed(state: State, fact: Failed) -> State:
    if state.forward[fact.position] not in _OPEN:
        return state
    status = StepStatus.FAILED if fact.began else StepStatus.CANCELLED
    return _because(fact.reason, _with_forward(state, [fact.position], status))


def _compensation_failed(state: State, fact: CompensationFailed) -> State:
    if state.backward[fact.position] is not StepStatus.RUNNING:
        return state
    failed = _with_backward(state, [fact.position], StepStatus.FAILED)
    return replace(failed, reason="; ".join(filter(None, [state.reason, fact.reason])))


def _timed_out(definition: Definition, state: State, position: int) -> State:
    if state.forward[position] is not StepStatus.RUNNING:
        return state
    node = definition.nodes[position]
    if isinstance(node, WaitFor):
        failed = _with_forward(state, [position], StepStatus.FAILED)
        return _because(f"no signal {node.name!r} came within {node.deadline}", failed)
    # It is stopped with whatever else runs.
    stays = replace(state, status=SagaStatus.COMPENSATING)
    return _because(f"step {node.name!r} timed out", stays)


def _forward(definition: Definition, state: State) -> Move:
    for stage in definition.stages:
        if all(state.forward[position] is StepStatus.SUCCEEDED for position in stage):
            continue
        begun = [position for position in stage if state.forward[position] is StepStatus.PLANNED]
        state = _with_forward(state, begun, StepStatus.RUNNING)
        waits = all(
            not isinstance(definition.nodes[position], Step)
            for position in stage
            if state.forward[position] is StepStatus.RUNNING
        )
        status = SagaStatus.WAITING if waits else SagaStatus.RUNNING
        return Move(replace(state, status=status), tuple(map(Begin, begun)))
    return Move(replace(state, status=SagaStatus.COMPLETED))


def _back(definition: Definition, state: State) -> Move:
    running = _positions(state.forward, StepStatus.RUNNING)
    steps = [position for position in running if isinstance(definition.nodes[position], Step)]
    waits = [position for position in running if position not in steps]
    state = _with_forward(state, steps, StepStatus.STOPPING)
    # Of a wait nothing can be under way.
    state = _with_forward(state, waits, StepStatus.CANCELLED)
    if StepStatus.STOPPING in state.forward:
        # What may still have its effect is not undone beside it.
        state = replace(state, status=SagaStatus.COMPENSATING)
        return Move(state, tuple(map(Stop, running)))
    stopped: tuple[Command, ...] = tuple(map(Stop, running))
    for stage in reversed(definition.stages):
        owed = [
            position
            for position in stage
            if is_owed(definition, state, position)
            and state.backward[position] is not StepStatus.SUCCEEDED
        ]
        if not owed:
            continue
        begun = [position for position in owed if state.backward[position] is StepStatus.PLANNED]
        state = _with_backward(state, begun, StepStatus.RUNNING)
        goes_on = any(state.backward[position] is StepStatus.RUNNING for position in owed)
        status = SagaStatus.COMPENSATING if goes_on else SagaStatus.FAILED
        return Move(replace(state, status=status), (*stopped, *map(Compensate, begun)))
    status = SagaStatus.CANCELLED if state.is_cancelled else SagaStatus.COMPENSATED
    return Move(replace(state, status=status), stopped)


def _because(reason: str, state: State) -> State:
    """Keep the first reason: those after it are its consequences."""
    return state if state.reason else replace(state, reason=reason)


def _positions(statuses: Sequence[StepStatus], status: StepStatus) -> list[int]:
    return [position for position, found in enumerate(statuses) if found is status]


def _with_forward(state: State, positions: Sequence[int], status: StepStatus) -> State:
    return replace(state, forward=_changed(state.forward, positions, status))


def _with_backward(state: State, positions: Sequence[int], status: StepStatus) -> State:
    return replace(state, backward=_changed(state.backward, positions, status))


def _changed(
    statuses: tuple[StepStatus, ...], positions: Sequence[int], status: StepStatus
) -> tuple[StepStatus, ...]:
    return tuple(
        status if position in positions else before for position, before in enumerate(statuses)
    )
