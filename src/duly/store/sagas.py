"""Statements on sagas: start, go on, signal, cancel, find.

Whatever moves a saga locks its row first, so that steps that end at once move it one after
the other. With that lock nobody waits for an event or an occurrence: they are locked before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from duly.errors import InvalidSaga, SagaConflict, SagaNotFound
from duly.ids import new_id
from duly.models import Saga
from duly.models.saga import FORWARD
from duly.policy.saga import FORWARD as GOES_FORWARD
from duly.policy.saga import Cancelled, SagaStatus, Started, StepStatus
from duly.policy.saga_definition import Definition, WaitFor
from duly.store import facts
from duly.store.events import LONGEST_REASON, Changed
from duly.store.rows import Result
from duly.store.saga_moves import Mover


@dataclass(frozen=True, slots=True)
class NewSaga:
    """A saga that has been checked, before it is started."""

    definition: Definition
    service: str
    context: dict[str, Any]
    key: str | None
    entity_type: str
    entity_id: str


@dataclass(frozen=True, slots=True)
class Which:
    """Which saga is meant."""

    saga: UUID | str
    """Its id or its key."""
    name: str = ""
    """Of those that have the key; empty: whichever."""
    service: str | None = None
    """Whose there are; None: everybody's."""


def start(using: str, new: NewSaga, now: datetime, actor: str) -> tuple[Saga, bool]:
    """Start a saga, or find the one that has its key; says whether it was started."""
    there = _of_key(using, new)
    if there is not None:
        return there, False
    try:
        with transaction.atomic(using):
            return _start(using, new, now, actor), True
    except IntegrityError:
        # Another transaction has taken the key at this very moment.
        there = _of_key(using, new)
        if there is None:
            raise
        return there, False


def conclude(using: str, results: Sequence[Result], now: datetime) -> None:
    """Go on after attempts of steps, in the transaction that records them."""
    by_saga: dict[UUID, list[Result]] = defaultdict(list)
    for result in results:
        assert result.saga is not None
        by_saga[result.saga].append(result)
    for saga in _locked(using, by_saga):
        mover = _mover(using, saga, now)
        if mover is not None:
            for result in by_saga[saga.id]:
                mover.heard(result)
            mover.save()


def look_again(using: str, changes: Iterable[Changed], now: datetime) -> None:
    """Go on after events of sagas were changed by hand, in the transaction that did it."""
    by_saga: dict[UUID, list[UUID]] = defaultdict(list)
    for change in changes:
        if change.saga is not None:
            by_saga[change.saga].append(change.event_id)
    if not by_saga:
        return
    for saga in _locked(using, by_saga):
        mover = _mover(using, saga, now)
        if mover is not None:
            mover.look_again(by_saga[saga.id])
            mover.save()


def signal(using: str, which: Which, signal: str, value: Any, now: datetime, actor: str) -> Saga:
    """Give a saga a signal that it waits for, or will."""
    with transaction.atomic(using):
        mover = Mover(using, lock(using, which), now)
        found = mover.saga
        position = mover.definition.position(signal)
        if position is None:
            known = [node.name for node in mover.definition.nodes if isinstance(node, WaitFor)]
            raise InvalidSaga(
                f"saga {found.name!r} waits for no signal {signal!r:.60}; "
                f"it waits for {', '.join(map(repr, known)) or 'none'}"
            )
        if mover.steps.change(FORWARD, position).status == StepStatus.SUCCEEDED:
            return found
        if found.status not in GOES_FORWARD:
            raise SagaConflict(
                f"saga {found.id} is {found.status}: it does not wait for {signal!r} any more"
            )
        mover.signalled(position, value, actor)
        mover.save(actor)
        return found


def cancel(using: str, which: Which, reason: str, now: datetime, actor: str) -> Saga:
    """Let a saga go back: what is done is compensated, what is not done is not begun."""
    with transaction.atomic(using):
        mover = Mover(using, lock(using, which), now)
        if mover.saga.status == SagaStatus.COMPLETED:
            raise SagaConflict(
                f"saga {mover.saga.id} is completed: only one under way can be cancelled"
            )
        mover.take(Cancelled(reason or f"cancelled by {actor or 'hand'}"))
        mover.save(actor)
        return mover.saga


def find(using: str, which: Which) -> Saga:
    """Find a saga by its id, or by its key. Raises SagaNotFound, SagaConflict."""
    return _find(Saga.objects.using(using).all(), which)


def lock(using: str, which: Which) -> Saga:
    """Find a saga, and lock it until the transaction ends."""
    return _find(Saga.objects.using(using).select_for_update(), which)


def _start(using: str, new: NewSaga, now: datetime, actor: str) -> Saga:
    saga = Saga(
        id=new_id(now),
        name=new.definition.name,
        service=new.service,
        key=new.key,
        version=new.definition.version,
        definition=new.definition.to_json(),
        entity_type=new.entity_type,
        entity_id=new.entity_id,
        context=new.context,
        created_at=now,
        updated_at=now,
    )
    saga.save(using=using, force_insert=True)
    mover = Mover(using, saga, now)
    for position in range(len(new.definition.nodes)):
        mover.steps.change(FORWARD, position)
    mover.take(Started())
    mover.save(actor, facts.SAGA_STARTED)
    return saga


def _of_key(using: str, new: NewSaga) -> Saga | None:
    if new.key is None:
        return None
    rows = Saga.objects.using(using).filter(name=new.definition.name, key=new.key)
    return rows.first()


def _locked(using: str, ids: Iterable[UUID]) -> list[Saga]:
    # In the order of their ids: two batches with the same sagas must not wait for each other.
    rows = Saga.objects.using(using).filter(id__in=list(ids)).order_by("id")
    return list(rows.select_for_update())


def _mover(using: str, saga: Saga, now: datetime) -> Mover | None:
    """Give what moves a saga; one that cannot be read must not stop the batch that it is in."""
    try:
        return Mover(using, saga, now)
    except InvalidSaga as error:
        saga.status, saga.reason = SagaStatus.FAILED.value, str(error)[:LONGEST_REASON]
        saga.updated_at = now
        saga.save(using=using)
        return None


def _find(rows: QuerySet[Saga, Saga], which: Which) -> Saga:
    saga, name = which.saga, which.name
    if which.service is not None:
        rows = rows.filter(service=which.service)
    id_ = saga if isinstance(saga, UUID) else _uuid(saga)
    found = list(rows.filter(id=id_)) if id_ else []
    if not found and isinstance(saga, str):
        of_key = rows.filter(key=saga)
        found = list(of_key.filter(name=name) if name else of_key)
    if not found:
        of = f" of {name!r}" if name else ""
        raise SagaNotFound(f"no saga{of} has the id or the key {str(saga)!r:.120}")
    if len(found) > 1:
        names = ", ".join(sorted(repr(one.name) for one in found))
        raise SagaConflict(f"key {saga!r} is one of {names}: say which with name=")
    return found[0]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
