"""The events that carry a saga's steps, compensations and timers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from duly.civil.at import At
from duly.civil.instants import EARLIEST
from duly.encryption import Binding, Box, keyring
from duly.errors import ConfigurationError, InvalidRule, InvalidSaga, UnreadablePayload
from duly.ids import new_id
from duly.models import Occurrence, Saga, ScheduledEvent
from duly.models.fields import EncodedPayload, is_hidden
from duly.models.saga import SagaStep
from duly.policy.handling import of_saga
from duly.policy.states import OccurrenceStatus
from duly.policy.trace import Carrier, traced
from duly.store import facts
from duly.store.events import cancel_locked, events_in, set_due
from duly.store.locks import unlocked

TIMER = "duly.saga_timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an event of a saga is to do, and how."""

    event_type: str
    service: str
    rule: At
    handling: dict[str, Any] = field(default_factory=dict)


def event_of(
    saga: Saga, step: SagaStep, order: Order, now: datetime, carrier: Carrier
) -> ScheduledEvent:
    """Build the event of a step, a compensation or a timer; the caller saves it.

    carrier: the trace of what it follows from.
    Raises InvalidRule where its rule names no instant.
    """
    due = order.rule.next(EARLIEST)
    if due is None:
        raise InvalidRule(f"{order.rule.describe()} names no instant")
    payload = {"saga": str(saga.id), "step": step.name, "context": saga.context}
    # Of values that were checked one by one, as they came in.
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    id_ = new_id(now)
    if (box := keyring.box_of(saga.key_owners)) is not None:
        text = box.seal(text, Binding("event", id_))
    event = ScheduledEvent(
        id=id_,
        service=order.service,
        event_type=order.event_type,
        key=f"saga:{saga.id}:{step.position}:{step.direction}",
        entity_type=saga.entity_type,
        entity_id=saga.entity_id,
        payload=EncodedPayload(text),
        rule=order.rule.to_json(),
        execution_timezone=order.rule.zone,
        handling=traced(of_saga(order.handling, saga.id), carrier),
        created_at=now,
    )
    set_due(event, due, now)
    return event


@dataclass(frozen=True, slots=True)
class Stopped:
    """An event of which nothing is under way any more."""

    began: bool
    """Whether an attempt of it ever began."""


def stop(using: str, event_id: UUID, now: datetime) -> Stopped | None:
    """Cancel an event and what of it does not run; None where something may be under way.

    Waits for nobody, since whoever ends an attempt waits for the saga: what another
    transaction has locked counts as under way, and comes to an end of its own.
    """
    rows = events_in(using).filter(id=event_id)
    event = unlocked(rows).first()
    if event is None:
        return None if rows.exists() else Stopped(began=False)
    occurrences = Occurrence.objects.using(using).filter(event_id=event_id)
    live = occurrences.filter(wake_at__isnull=False).order_by("id")
    count = live.count()
    held = list(unlocked(live.defer("payload")))
    if len(held) < count:
        return None
    cancel_locked(using, event, now, facts.ENGINE)
    if any(row.status == OccurrenceStatus.RUNNING for row in held):
        return None
    return Stopped(occurrences.filter(attempt__gt=0).exists())


def ended(using: str, event_id: UUID) -> Stopped | None:
    """Say whether an event will do nothing more, without changing it."""
    if events_in(using).filter(id=event_id, status__in=("scheduled", "paused")).exists():
        return None
    occurrences = Occurrence.objects.using(using).filter(event_id=event_id)
    if occurrences.filter(wake_at__isnull=False).exists():
        return None
    return Stopped(occurrences.filter(attempt__gt=0).exists())


def standing(using: str, event_id: UUID) -> str:
    """Say in words what an open step waits for."""
    event = events_in(using).filter(id=event_id).defer("payload").first()
    if event is None:
        return "its event is gone"
    if event.next_at is not None:
        return f"due at {event.next_at:%Y-%m-%d %H:%M:%S}Z"
    rows = Occurrence.objects.using(using).filter(event_id=event_id, wake_at__isnull=False)
    row = rows.defer("payload").first()
    if row is None or row.wake_at is None:
        return f"its event is {event.status}" + (f": {event.reason}" if event.reason else "")
    why = row.reason or row.error.partition("\n")[0]
    until = f"{row.wake_at:%Y-%m-%d %H:%M:%S}Z"
    return f"{row.status} until {until}, attempt {row.attempt}" + (f": {why}" if why else "")


def data_of(saga: Saga) -> Mapping[str, Any]:
    """Say in the ledger which saga a fact is about, and where it leaves it."""
    return {"saga": saga.name, "status": saga.status, "reason": saga.reason}


def box_of(saga: Saga) -> Box | None:
    """Give what encrypts all that a saga holds; None: nothing does.

    Both directions are tried before anything moves: a key that is missing half way would leave
    a saga half moved. Raises InvalidSaga.
    """
    try:
        box = keyring.box_of(saga.key_owners)
        if box is not None or is_hidden(saga, "context"):
            assert saga.context is not None
        if box is not None:
            assert box.key_id
    except (UnreadablePayload, ConfigurationError) as error:
        raise InvalidSaga(str(error)) from None
    return box
