"""Moving one saga on: its rows, its events and the ledger, while its row is locked."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from duly import tracing
from duly.civil.at import At
from duly.civil.forms import moment_from_json
from duly.errors import DulyError, InvalidRule
from duly.models import LedgerEntry, Saga, ScheduledEvent
from duly.models.saga import COMPENSATION, FORWARD, TIMER, SagaStep
from duly.policy.handling import Handling
from duly.policy.saga import (
    Begin,
    Command,
    Compensate,
    Compensated,
    CompensationFailed,
    Fact,
    Failed,
    SagaStatus,
    State,
    StepStatus,
    Stop,
    Succeeded,
    TimedOut,
    advance,
)
from duly.policy.saga_definition import Definition, Step, WaitFor, WaitUntil
from duly.policy.service import OWN
from duly.policy.states import OccurrenceStatus
from duly.policy.trace import TRACEPARENT
from duly.store import facts, saga_events
from duly.store.events import LONGEST_REASON, NOTIFY_WITHIN, event_entry, events_in, record
from duly.store.rows import Result
from duly.store.saga_events import Order
from duly.store.saga_steps import Steps
from duly.store.wakeups import notify_after_commit
from duly.telemetry import emit

_OPEN = (StepStatus.RUNNING, StepStatus.STOPPING)


class Mover:
    """Takes facts about one saga, and does what they call for; `save` writes it all.

    Raises InvalidSaga where the stored definition, or the encrypted context, cannot be read.
    """

    def __init__(self, using: str, saga: Saga, now: datetime) -> None:
        self._using = using
        self._now = now
        self.saga = saga
        self.definition = Definition.from_json(saga.definition)
        self._box = saga_events.box_of(saga)
        self.steps = Steps(using, saga, self.definition, is_encrypted=self._box is not None)
        self._facts: deque[Fact] = deque()
        self._events: list[ScheduledEvent] = []
        self._entries: list[LedgerEntry] = []
        self._told = (saga.status, saga.reason)
        # What moves it: the caller's trace, or the attempt's that it has heard of.
        self._carrier = tracing.carrier()

    def heard(self, result: Result) -> None:
        """Take what came of an attempt at one of its events."""
        step = self.steps.of_event(result.event_id)
        if step is None:
            return
        if result.trace:
            self._carrier = {TRACEPARENT: result.trace}
        status = result.decision.status
        if status == OccurrenceStatus.PENDING:
            self._stop_again(step)
            return
        step = self.steps.change(step.direction, step.position)
        step.occurrence_id = result.id
        if result.context is not None:
            step.result = json.loads(result.context)
            self.saga.context = self.saga.context | step.result
        error = result.decision.error.partition("\n")[0]
        self._take_end(step, status == OccurrenceStatus.SUCCEEDED, f"died: {error}", began=True)

    def look_again(self, event_ids: Iterable[UUID]) -> None:
        """Take what somebody has changed by hand about its events."""
        found = [step for id_ in event_ids if (step := self.steps.of_event(id_)) is not None]
        # A step that was cancelled together with its timer has not timed out.
        for step in sorted(found, key=lambda step: step.direction == TIMER):
            if step.status not in _OPEN or step.event_id is None or self._stop_again(step):
                continue
            if (end := saga_events.ended(self._using, step.event_id)) is not None:
                self._take_end(step, False, "was cancelled by hand", began=end.began)

    def take(self, fact: Fact) -> None:
        """Go where a fact leads, and where what follows from it leads."""
        self._facts.append(fact)
        while self._facts:
            move = advance(self.definition, self._state(), self._facts.popleft())
            self._set(move.state)
            for command in move.commands:
                self._perform(command)

    def signalled(self, position: int, value: Any, actor: str) -> None:
        """Take a signal: its value goes into the context under its name."""
        step = self.steps.change(FORWARD, position)
        step.result = {step.name: value}
        self.saga.context = self.saga.context | step.result
        said = {} if self._box else {"value": value}
        self._tell(facts.SAGA_SIGNALLED, {"signal": step.name} | said, actor)
        self.take(Succeeded(position))

    def save(self, actor: str = facts.ENGINE, fact: str = facts.SAGA_MOVED) -> None:
        """Write the saga, its steps, their events and what the ledger is to know."""
        if not self.steps.has_changed:
            return
        self.saga.updated_at = self._now
        self.saga.save(using=self._using)
        self.steps.write()
        events_in(self._using).bulk_create(self._events)
        scheduled = [
            event_entry(facts.SCHEDULED, self._now, event, facts.ENGINE) for event in self._events
        ]
        if (self.saga.status, self.saga.reason) != self._told or fact != facts.SAGA_MOVED:
            self._tell(fact, saga_events.data_of(self.saga), actor)
            self._announce()
        record(self._using, [*scheduled, *self._entries])
        if dues := [event.next_at for event in self._events if event.next_at]:
            notify_after_commit(self._using, min(dues), self._now, NOTIFY_WITHIN)

    def _stop_again(self, step: SagaStep) -> bool:
        """Stop a step whose attempt under way has ended, where nothing of it is to follow."""
        if step.direction != FORWARD or step.status != StepStatus.STOPPING:
            return False
        self._perform(Stop(step.position))
        while self._facts:
            self.take(self._facts.popleft())
        return True

    def _take_end(self, step: SagaStep, well: bool, why: str, *, began: bool) -> None:
        step = self.steps.change(step.direction, step.position)
        position, reason = step.position, f"step {step.name!r} {why}"
        match step.direction, well:
            case "forward", True:
                self.take(Succeeded(position))
            case "forward", False:
                step.reason = reason[:LONGEST_REASON]
                self.take(Failed(position, reason, began))
            case "compensation", True:
                self.take(Compensated(position))
            case "compensation", False:
                reason = f"the compensation of {reason}"
                step.reason = reason[:LONGEST_REASON]
                self.take(CompensationFailed(position, reason))
            case _:
                # However a timer ends, its time is over.
                self._end_row(step, StepStatus.SUCCEEDED)
                self.take(TimedOut(position))

    def _state(self) -> State:
        return State(
            SagaStatus(self.saga.status),
            self.steps.statuses(FORWARD),
            self.steps.statuses(COMPENSATION),
            self.saga.is_cancelled,
            self.saga.reason,
        )

    def _set(self, state: State) -> None:
        before = self._state()
        self.saga.status, self.saga.is_cancelled = state.status.value, state.is_cancelled
        self.saga.reason = state.reason[:LONGEST_REASON]
        for direction, olds, news in (
            (FORWARD, before.forward, state.forward),
            (COMPENSATION, before.backward, state.backward),
        ):
            for position, (old, new) in enumerate(zip(olds, news, strict=True)):
                if old is not new:
                    self._set_status(self.steps.change(direction, position), new)

    def _set_status(self, step: SagaStep, status: StepStatus) -> None:
        if status is StepStatus.RUNNING:
            step.status, step.began_at = status.value, self._now
        elif status is StepStatus.STOPPING:
            step.status = status.value
        else:
            self._end_row(step, status)
        timer = self.steps.get(TIMER, step.position)
        if timer is None or step.direction != FORWARD or status is StepStatus.RUNNING:
            return
        if timer.status == StepStatus.RUNNING:
            assert timer.event_id is not None
            self._cancel(timer.event_id)
            self._end_row(self.steps.change(TIMER, step.position), StepStatus.CANCELLED)

    def _end_row(self, step: SagaStep, status: StepStatus) -> None:
        step.status, step.ended_at = status.value, self._now
        if status is StepStatus.SUCCEEDED:
            step.reason = ""

    def _perform(self, command: Command) -> None:
        position = command.position
        node = self.definition.nodes[position]
        match command, node:
            case Begin(), Step():
                self._begin_step(position, node)
            case Begin(), WaitUntil():
                self._begin_wait(position, node)
            case Begin(), WaitFor():
                self._set_timer(position, node.deadline)
            case Stop(), _:
                self._stop(position)
            case Compensate(), Step(compensation=str() as event_type):
                order = Order(event_type=event_type, service=node.service, rule=self._at_once())
                self._schedule(self.steps.change(COMPENSATION, position), order)

    def _begin_step(self, position: int, node: Step) -> None:
        handling = Handling(retry=node.retry).to_json()
        order = Order(
            event_type=node.event_type,
            service=node.service,
            rule=self._at_once(),
            handling=handling,
        )
        self._schedule(self.steps.change(FORWARD, position), order)
        if node.timeout is not None:
            self._set_timer(position, node.timeout)

    def _begin_wait(self, position: int, node: WaitUntil) -> None:
        step = self.steps.change(FORWARD, position)
        try:
            if node.name not in self.saga.context:
                raise InvalidRule(f"the context has no {node.name!r}")
            moment = moment_from_json(self.saga.context[node.name])
            self._schedule(step, self._timer(moment))
        except DulyError as error:
            reason = f"the moment of wait {node.name!r} cannot be read: {error}"
            step.reason = reason[:LONGEST_REASON]
            self._facts.append(Failed(position, reason, began=True))

    def _set_timer(self, position: int, span: timedelta) -> None:
        timer = self.steps.change(TIMER, position)
        timer.status, timer.began_at = StepStatus.RUNNING.value, self._now
        self._schedule(timer, self._timer(At.instant(self._now + span)))

    def _stop(self, position: int) -> None:
        step = self.steps.change(FORWARD, position)
        if step.event_id is None:
            return
        end = self._cancel(step.event_id)
        if end is not None and step.status == StepStatus.STOPPING:
            step.reason = "stopped, because the saga goes back"
            self._facts.append(Failed(position, step.reason, end.began))

    def _cancel(self, event_id: UUID) -> saga_events.Stopped | None:
        """Cancel an event; one that has not even been written is left out."""
        for event in self._events:
            if event.id == event_id:
                self._events.remove(event)
                return saga_events.Stopped(began=False)
        return saga_events.stop(self._using, event_id, self._now)

    def _schedule(self, step: SagaStep, order: Order) -> None:
        event = saga_events.event_of(self.saga, step, order, self._now, self._carrier)
        step.event_id = event.id
        self._events.append(event)

    def _timer(self, rule: At) -> Order:
        return Order(event_type=saga_events.TIMER, service=OWN, rule=rule)

    def _at_once(self) -> At:
        return At.instant(self._now)

    def _tell(self, fact: str, data: Any, actor: str) -> None:
        self._entries.append(facts.entry(fact, self._now, self.saga.id, actor=actor, data=data))

    def _announce(self) -> None:
        saga = self.saga
        said = partial(emit, "saga.moved", saga=saga.id, definition=saga.name, status=saga.status)
        transaction.on_commit(said, using=self._using, robust=True)
