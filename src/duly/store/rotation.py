"""Payloads are encrypted anew, in batches, beside whatever else goes on.

Each batch is a transaction of its own and passes over rows that others have locked, so that it
waits for nobody and nobody waits long for it. What is done is told apart from what is not by the
id of the key in each envelope: broken off, it goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from duly import payloads
from duly.encryption import MARK, Box, key_id_of, keyring
from duly.errors import ConfigurationError, UnreadablePayload
from duly.models import EventTemplate, Occurrence, Saga, ScheduledEvent, TaskResult
from duly.models.fields import EncodedPayload, PayloadField, SealedValue
from duly.models.saga import SagaStep
from duly.policy.handling import SAGA, saga_of
from duly.store import facts
from duly.store.events import record
from duly.store.locks import unlocked
from duly.store.turns import transaction_in_turn

DEFAULT_BATCH = 200
MOST_PASSES = 10
_ANY_SIZE = 2**31


@dataclass(slots=True)
class Rotated:
    """What a rotation has done, or would do."""

    encrypted: int = 0
    """Payloads that have the newest key now."""
    decrypted: int = 0
    """Those that are plain now, because their service does not encrypt any more."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Why some could not be read, by what they are of; they stay as they are."""
    left: int = 0
    """Those that others held locked all the while."""

    @property
    def count(self) -> int:
        """How many were written."""
        return self.encrypted + self.decrypted


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of one table that holds what may be encrypted."""

    name: str
    rows: Callable[[str], QuerySet[Any, Any]]
    """Of a database: those that may have to be written, with all that `owners` looks at."""
    owners: Callable[[str, list[Any]], Mapping[Any, tuple[str, ...] | None]]
    """By primary key, the services whose keys encrypt a row; None: it is not known any more."""


def rotate(
    using: str,
    service: str | None,
    batch: int,
    now: datetime,
    actor: str,
    *,
    dry_run: bool,
) -> Rotated:
    """Encrypt what is stored with the newest key of its service, and decrypt what is to be plain.

    service: only what belongs to it; None: everything. batch: rows in one transaction.
    The ledger is told how much was written, with which keys, and by whom.

    Raises ConfigurationError where a newest key is not there; then nothing is written.
    """
    names = keyring.boxes if service is None else keyring.boxes.keys() & {service}
    keys = {name: keyring.boxes[name].key_id for name in names}
    done = Rotated()
    try:
        _rotate(using, service, batch, done, dry_run=dry_run)
    finally:
        if done.count and not dry_run:
            data = {"encrypted": done.encrypted, "decrypted": done.decrypted, "keys": keys}
            record(
                using, [facts.entry(facts.ROTATED, now, facts.THE_LEDGER, actor=actor, data=data)]
            )
    return done


def _rotate(using: str, service: str | None, batch: int, done: Rotated, *, dry_run: bool) -> None:
    for column in _COLUMNS:
        for _ in range(MOST_PASSES):
            before = done.count
            _go_through(using, column, service, batch, done, writes=not dry_run)
            # What others had locked is found by a second look.
            if dry_run or done.count == before:
                break
        if not dry_run:
            seen = Rotated()
            _go_through(using, column, service, batch, seen, writes=False)
            done.left += seen.count


def _go_through(
    using: str, column: _Column, service: str | None, batch: int, done: Rotated, *, writes: bool
) -> None:
    last: Any = None
    while True:
        rows = column.rows(using).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        with transaction_in_turn(using):
            found = list((unlocked(rows, of=("self",)) if writes else rows)[:batch])
            if not found:
                return
            changed = _changed(using, column, service, found, done)
            if writes and changed:
                _write(using, column, changed)
        last = found[-1].pk


def _changed(
    using: str, column: _Column, service: str | None, rows: list[Any], done: Rotated
) -> list[tuple[Any, Any]]:
    """Give the primary keys of rows that are to be written, and what."""
    changed = []
    owners = column.owners(using, rows)
    for row in rows:
        names = owners[row.pk]
        if names is None or (service is not None and service not in names):
            continue
        box, value = keyring.box_of(names), row.__dict__[column.name]
        try:
            text = _text(row, value, box)
        except UnreadablePayload as error:
            done.unreadable[str(row.binding)] = str(error)
            continue
        if text is None:
            continue
        if box is None:
            done.decrypted += 1
        else:
            done.encrypted += 1
            text = box.seal(text, row.binding)
        changed.append((row.pk, text))
    return changed


def _text(row: Any, value: Any, box: Box | None) -> str | None:
    """Give the plain text of what is to be written anew; None for what is as it is to be."""
    if isinstance(value, SealedValue):
        is_current = box is not None and key_id_of(value.envelope) == box.key_id
        return None if is_current else keyring.open(value.envelope, row.binding)
    return None if box is None or value is None else payloads.encode(value, _ANY_SIZE)


def _write(using: str, column: _Column, changed: list[tuple[Any, str]]) -> None:
    model = column.rows(using).model
    meta, connection = model._meta, connections[using]
    target, key = meta.get_field(column.name), meta.pk
    is_text = isinstance(target, PayloadField)
    values = []
    for pk, text in changed:
        stored = EncodedPayload(text) if is_text else _json(text)
        values.append(
            (
                target.get_db_prep_save(stored, connection),
                key.get_db_prep_value(pk, connection, prepared=False),
            )
        )
    quote = connection.ops.quote_name
    statement = (
        f"UPDATE {quote(meta.db_table)} SET {quote(target.column)} = %s "
        f"WHERE {quote(key.column)} = %s"
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)


def _json(text: str) -> Any:
    return text if text.startswith(MARK) else json.loads(text)


def _events(using: str) -> QuerySet[Any, Any]:
    rows = ScheduledEvent.objects.using(using)
    return _not_current(rows, Q(handling__has_key=SAGA))


def _occurrences(using: str) -> QuerySet[Any, Any]:
    rows = Occurrence.objects.using(using).select_related("event").defer("event__payload")
    return _not_current(rows, Q(event__handling__has_key=SAGA))


def _not_current(rows: QuerySet[Any, Any], of_sagas: Q) -> QuerySet[Any, Any]:
    """Leave out what has the newest key, and what is plain and is to be."""
    stale = [~Q(service__in=list(keyring.boxes)) & Q(stored__startswith=MARK)]
    for name, box in keyring.boxes.items():
        # Where the newest key is not there, `rotate` has said so, or was not asked for it.
        with suppress(ConfigurationError):
            stale.append(Q(service=name) & ~Q(stored__startswith=f"{MARK}{box.key_id}:"))
    if keyring.boxes:
        # Whose keys these have is not to be seen from their own service.
        stale.append(of_sagas)
    found: QuerySet[Any, Any] = rows.annotate(stored=Cast("payload", TextField()))
    return found.filter(reduce(or_, stale))


def _owners_of_events(using: str, rows: list[Any]) -> Mapping[Any, tuple[str, ...] | None]:
    events = {row.pk: getattr(row, "event", row) for row in rows}
    sagas = {pk: saga_of(event.handling) for pk, event in events.items()}
    known = _sagas_by_id(using, filter(None, sagas.values()))
    found: dict[Any, tuple[str, ...] | None] = {}
    for row in rows:
        saga = sagas[row.pk]
        if saga is None:
            found[row.pk] = row.key_owners
        else:
            found[row.pk] = known[saga].key_owners if saga in known else None
    return found


def _sagas_by_id(using: str, ids: Iterable[UUID]) -> dict[UUID, Saga]:
    return Saga.objects.using(using).defer("context").in_bulk(list(set(ids)))


def _sagas(using: str) -> QuerySet[Any, Any]:
    return Saga.objects.using(using).all()


def _steps(using: str) -> QuerySet[Any, Any]:
    steps = SagaStep.objects.using(using).filter(result__isnull=False)
    return steps.select_related("saga").defer("saga__context")


def _templates(using: str) -> QuerySet[Any, Any]:
    return EventTemplate.objects.using(using).all()


def _own(using: str, rows: list[Any]) -> Mapping[Any, tuple[str, ...] | None]:
    return {row.pk: row.key_owners for row in rows}


def _task_results(using: str) -> QuerySet[Any, Any]:
    return TaskResult.objects.using(using).all()


def _owners_of_results(using: str, rows: list[Any]) -> Mapping[Any, tuple[str, ...] | None]:
    events = ScheduledEvent.objects.using(using).filter(id__in=[row.pk for row in rows])
    services = dict(events.values_list("id", "service"))
    return {row.pk: (services[row.pk],) if row.pk in services else None for row in rows}


_COLUMNS = (
    _Column("payload", _events, _owners_of_events),
    _Column("payload", _occurrences, _owners_of_events),
    _Column("context", _sagas, _own),
    _Column("result", _steps, _own),
    _Column("payload", _templates, _own),
    _Column("return_value", _task_results, _owners_of_results),
)
