"""Whether the tables are what the ledger says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.fold import WAITING, EventState, Fact, fold
from duly.policy.states import OccurrenceStatus
from duly.store.facts import PRUNED, THE_LEDGER
from duly.store.prune import LEAVES_ENTRIES, Terms

PAGE = 500
Pruned = dict[str, datetime]
"""For each status, before when occurrences that ended in it may be gone."""
_WAITING = (OccurrenceStatus.QUEUED, OccurrenceStatus.PENDING)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Something that the ledger says otherwise."""

    event_id: UUID
    what: str
    ledger: str
    table: str

    def __str__(self) -> str:
        return f"event {self.event_id}: {self.what} is {self.table}, the ledger says {self.ledger}"


@dataclass(slots=True)
class Verified:
    """How far a verification has come."""

    events: int = 0
    occurrences: int = 0
    entries: int = 0


def verify(using: str, count: Verified) -> Iterator[Disagreement]:
    """Fold the ledger of every event, and compare; `count` says how many were looked at.

    In pages, each as of one instant, so that engines may go on meanwhile.
    """
    last: UUID | None = None
    while True:
        with _snapshot(using):
            rows = ScheduledEvent.objects.using(using).order_by("id")
            if last is not None:
                rows = rows.filter(id__gt=last)
            events = list(rows.values_list("id", "status", "next_at")[:PAGE])
            if not events:
                return
            last = events[-1][0]
            found = list(_compared(using, events, count))
        yield from found


def _compared(
    using: str, events: Sequence[tuple[UUID, str, Any]], count: Verified
) -> Iterator[Disagreement]:
    ids = [event_id for event_id, _, _ in events]
    facts: dict[UUID, list[Fact]] = defaultdict(list)
    entries = LedgerEntry.objects.using(using).filter(event_id__in=ids).order_by("event_id", "id")
    for event_id, fact, occurrence, attempt, data, at in entries.values_list(
        "event_id", "fact", "occurrence_id", "attempt", "data", "at"
    ):
        facts[event_id].append(Fact(fact, occurrence, attempt, data or {}, at))
        count.entries += 1
    occurrences: dict[UUID, list[tuple[UUID, str, int]]] = defaultdict(list)
    rows = Occurrence.objects.using(using).filter(event_id__in=ids)
    for event_id, id_, status, attempt in rows.values_list("event_id", "id", "status", "attempt"):
        occurrences[event_id].append((id_, status, attempt))
        count.occurrences += 1
    pruned = _pruned(using)
    for event_id, status, next_at in events:
        count.events += 1
        state = fold(facts[event_id])
        yield from _event(event_id, status, next_at, state)
        yield from _occurrences(event_id, occurrences[event_id], state, pruned)


def _event(event_id: UUID, status: str, next_at: Any, state: EventState) -> Iterator[Disagreement]:
    at = next_at.isoformat() if next_at else None
    for what, ledger, table in (("status", state.status, status), ("next_at", state.next_at, at)):
        if ledger != table:
            yield Disagreement(event_id, what, str(ledger), str(table))


def _occurrences(
    event_id: UUID, rows: Sequence[tuple[UUID, str, int]], state: EventState, pruned: Pruned
) -> Iterator[Disagreement]:
    known = dict(state.occurrences)
    for id_, status, attempt in rows:
        table = WAITING if status in _WAITING else status
        found = known.pop(id_, None)
        if found is None:
            yield Disagreement(event_id, f"occurrence {id_}", "nothing of it", table)
        elif (found.status, found.attempt) != (table, attempt):
            said = f"{found.status}, attempt {found.attempt}"
            yield Disagreement(event_id, f"occurrence {id_}", said, f"{table}, attempt {attempt}")
    for id_, left in known.items():
        if left.at is not None and left.at < pruned.get(left.status, left.at):
            continue
        yield Disagreement(event_id, f"occurrence {id_}", "that it was there", "gone")


def _pruned(using: str) -> Pruned:
    """Read what the ledger says of months that were dropped before their entries.

    What ended before then may be gone; of its entries, some may be too.
    """
    found: dict[str, datetime] = {}
    told = LedgerEntry.objects.using(using).filter(event_id=THE_LEDGER, fact=PRUNED)
    for data in told.filter(data__has_key=LEAVES_ENTRIES).values_list("data", flat=True):
        assert data is not None
        before = datetime.fromisoformat(data["before"])
        for status in Terms(before, data["dead"]).goes:
            found[status] = max(before, found.get(status, before))
    return found


@contextmanager
def _snapshot(using: str) -> Iterator[None]:
    """Read as of one instant."""
    with transaction.atomic(using):
        connection = connections[using]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
