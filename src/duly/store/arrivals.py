"""How new events are stored: one by one statement, many by COPY, or by the ORM.

Each way gives the same rows and the same answers, in the caller's transaction or in one of
its own (docs/adr/0010-bulk-scheduling-copies.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, transaction

from duly import tracing
from duly.encryption import sealed
from duly.errors import EventConflict
from duly.ids import new_id, new_ids
from duly.models import ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.policy.trace import Carrier, traced
from duly.store import conflicts, facts
from duly.store.copies import copy_events
from duly.store.drafts import COLUMNS, Draft, cells, event_of, outline_of, stored_event_of
from duly.store.events import NOTIFY_WITHIN, event_entry, events_in, record
from duly.store.statements import statement
from duly.store.stored import Outline, StoredEvents
from duly.store.wakeups import notify_after_commit
from duly.telemetry import Later, emit


def schedule(
    using: str,
    drafts: Sequence[Draft],
    now: datetime,
    on_conflict: str,
    actor: str,
    refused: dict[int, EventConflict] | None = None,
) -> StoredEvents:
    """Store drafts, in the order given; a key that exists is answered as `on_conflict` says.

    refused: takes, by its place, each draft that is answered by an error; None: it is raised.
    """
    tracer = tracing.current() if drafts else None
    if tracer is None:
        return _schedule(using, drafts, now, on_conflict, actor, refused)
    with tracer.scheduling(drafts) as carrier:
        return _schedule(using, _traced(drafts, carrier), now, on_conflict, actor, refused)


def _traced(drafts: Sequence[Draft], carrier: Carrier) -> list[Draft]:
    # Many drafts share their policies, and are then to share these.
    known: dict[int, dict[str, Any]] = {}
    for draft in drafts:
        if id(draft.handling) not in known:
            known[id(draft.handling)] = traced(draft.handling, carrier)
    return [draft._replace(handling=known[id(draft.handling)]) for draft in drafts]


def _schedule(
    using: str,
    drafts: Sequence[Draft],
    now: datetime,
    on_conflict: str,
    actor: str,
    refused: dict[int, EventConflict] | None,
) -> StoredEvents:
    if len(drafts) == 1 and (id_ := _insert_one(using, drafts[0], now, actor)):
        notify_after_commit(using, drafts[0].first.at, now, NOTIFY_WITHIN)
        return _stored(using, drafts, [id_], {}, now)
    if not drafts:
        return _stored(using, drafts, [], {}, now)
    with transaction.atomic(using):
        existing = conflicts.locked(using, drafts)
        new = [draft for draft in drafts if (draft.service, draft.key) not in existing]
        inserted = _insert(using, new, now, actor)
        overtaken = [draft for draft, id_ in zip(new, inserted, strict=True) if id_ is None]
        overtaking = conflicts.locked(using, overtaken)
        ids: list[str | None] = []
        met: dict[int, ScheduledEvent] = {}
        of_new = iter(inserted)
        for index, draft in enumerate(drafts):
            event = existing.get((draft.service, draft.key))
            id_ = next(of_new) if event is None else None
            if id_ is None:
                event = event or overtaking[draft.service, draft.key]
                try:
                    event = conflicts.meet(using, event, draft, now, on_conflict, actor)
                except EventConflict as error:
                    if refused is None:
                        raise
                    refused[index] = error
                met[index] = event
            ids.append(id_)
        _wake_for(using, drafts, met, now)
    return _stored(using, drafts, ids, met, now)


def _stored(
    using: str,
    drafts: Sequence[Draft],
    ids: Sequence[str | None],
    met: dict[int, ScheduledEvent],
    now: datetime,
) -> StoredEvents:
    def build(index: int) -> ScheduledEvent:
        id_ = ids[index]
        assert id_ is not None
        return stored_event_of(drafts[index], id_, now, using)

    def outline(index: int) -> Outline:
        id_ = ids[index]
        assert id_ is not None
        return outline_of(drafts[index], id_, now)

    def leads() -> list[float]:
        dues: list[datetime] = [draft.first.at for draft in drafts]
        return [(due_at - now).total_seconds() for due_at in dues]

    if drafts:
        emit("events.scheduled", count=len(drafts), lead_seconds=Later(leads))
    return StoredEvents(len(drafts), build, outline, met, ids)


def _wake_for(
    using: str, drafts: Sequence[Draft], met: dict[int, ScheduledEvent], now: datetime
) -> None:
    """Wake the engines for the soonest; what has been met may be due at another time."""
    dues: list[datetime] = [
        draft.first.at for index, draft in enumerate(drafts) if index not in met
    ]
    dues += [event.next_at for event in met.values() if event.next_at]
    if dues:
        notify_after_commit(using, min(dues), now, NOTIFY_WITHIN)


def _insert_one(using: str, draft: Draft, now: datetime, actor: str) -> str | None:
    """Store a draft in one statement; gives its id, or None where that cannot be.

    A key that exists is looked into by the other way. So is a connection whose caller has
    switched autocommit off and begun no transaction: Django has nowhere to put what is to
    happen after its commit.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return None
    if not connection.in_atomic_block and not connection.get_autocommit():
        return None
    id_, said = new_id(now).hex, now.isoformat()
    event, data = cells(draft, id_, said)
    parameters = dict(zip(COLUMNS, event, strict=True)) | {"actor": actor, "data": data}
    # As Model.save does: one statement needs no savepoint around it.
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(statement("schedule"), parameters)
        return id_ if cursor.rowcount == 1 else None


def _insert(using: str, drafts: Sequence[Draft], now: datetime, actor: str) -> Sequence[str | None]:
    """Store drafts; gives the id of each, or None for one whose key another has taken."""
    ids = new_ids(now, len(drafts))
    if not drafts or not _can_copy(using):
        return _insert_by_orm(using, drafts, ids, now, actor)
    try:
        # Another transaction may store one of these keys at this very moment: COPY waits
        # for it, and cannot leave that one out.
        with transaction.atomic(using):
            copy_events(using, drafts, ids, now, actor)
    except IntegrityError:
        return _insert_by_orm(using, drafts, ids, now, actor)
    return ids


def _can_copy(using: str) -> bool:
    if connections[using].vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def _insert_by_orm(
    using: str, drafts: Sequence[Draft], ids: Sequence[str], now: datetime, actor: str
) -> Sequence[str | None]:
    rows = [event_of(draft, UUID(id_), now) for draft, id_ in zip(drafts, ids, strict=True)]
    for draft, row in zip(drafts, rows, strict=True):
        row.payload = EncodedPayload(sealed(draft.service, draft.payload, row.binding))
    # Whoever stores one of these keys at this very moment wins, and is then found like any
    # other that exists.
    events_in(using).bulk_create(rows, ignore_conflicts=True)
    keyed = [row.id for row in rows if row.key is not None]
    inserted = set(events_in(using).filter(id__in=keyed).values_list("id", flat=True))
    stored = [row.key is None or row.id in inserted for row in rows]
    told = (row for row, is_stored in zip(rows, stored, strict=True) if is_stored)
    record(using, (event_entry(facts.SCHEDULED, now, row, actor) for row in told))
    return [id_ if is_stored else None for id_, is_stored in zip(ids, stored, strict=True)]
