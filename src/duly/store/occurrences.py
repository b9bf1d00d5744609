"""Occurrences in pages, each with the attempts that the ledger tells of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet

from duly.models import LedgerEntry, Occurrence
from duly.policy.attempts import Attempt, Told, attempts
from duly.store.seals import written_since


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDue:
    """Where a page begins: past this firing, by its due instant and its id."""

    due_at: datetime
    id: UUID


def of_event(
    using: str, event_id: UUID, before: datetime | None, status: str, limit: int
) -> list[Occurrence]:
    """List occurrences of an event, those due last first, without their payloads.

    before: only those due before this instant; None: from the last one on.
    status: only these; empty: whatever they are.
    """
    rows = Occurrence.objects.using(using).filter(event_id=event_id)
    if before is not None:
        rows = rows.filter(due_at__lt=before)
    if status:
        rows = rows.filter(status=status)
    return list(rows.defer("payload").order_by("-due_at")[:limit])


def attempts_of(using: str, found: Sequence[Occurrence]) -> Mapping[UUID, tuple[Attempt, ...]]:
    """Give the attempts at occurrences of one event, by the occurrences' ids; in two queries."""
    told: defaultdict[UUID, list[Told]] = defaultdict(list)
    if found:
        entries = LedgerEntry.objects.using(using).filter(
            event_id=found[0].event_id,
            occurrence_id__in=[one.id for one in found],
            # The entries of an event that fires for years are not all read for the last few.
            id__gt=written_since(using, min(one.created_at for one in found)),
        )
        rows = entries.order_by("id").values_list("occurrence_id", "fact", "at", "attempt", "data")
        for occurrence_id, fact, at, attempt, data in rows:
            assert occurrence_id is not None
            told[occurrence_id].append(Told(fact, at, attempt, data or {}))
    return {one.id: attempts(told[one.id]) for one in found}


def latest_attempts(
    using: str, found: Sequence[Occurrence], most: int
) -> Mapping[UUID, tuple[Attempt, ...]]:
    """Give the attempts at occurrences of several events, as far as the last facts tell of them.

    most: of each event, so many of its last facts are read; older attempts are not told of.
    """
    wanted = {one.id for one in found}
    columns = ("id", "occurrence_id", "fact", "at", "attempt", "data")
    rows = LedgerEntry.objects.using(using).order_by("-id").values_list(*columns)
    ids = {one.event_id for one in found}
    if not ids:
        return {}
    if len(ids) > 1 and connections[using].features.supports_slicing_ordering_in_compound:
        # Each by its own range of the index, whatever the others have behind them.
        first, *others = (rows.filter(event_id=id_)[:most] for id_ in ids)
        rows = first.union(*others, all=True)
    else:
        rows = rows.filter(event_id__in=ids)[: most * len(ids)]
    told: defaultdict[UUID, list[Told]] = defaultdict(list)
    for _, occurrence_id, fact, at, attempt, data in sorted(rows, key=itemgetter(0)):
        if occurrence_id is not None and occurrence_id in wanted:
            told[occurrence_id].append(Told(fact, at, attempt, data or {}))
    return {id_: attempts(facts) for id_, facts in told.items()}


def page_of_dead(
    rows: QuerySet[Occurrence, Occurrence], after: FromDue | None, limit: int
) -> list[Occurrence]:
    """List dead occurrences, the oldest first, each with its event and without its payload."""
    if after is not None:
        # Both, since a range of the first is what an index can begin at.
        rows = rows.filter(due_at__gte=after.due_at).exclude(due_at=after.due_at, id__lte=after.id)
    found = rows.select_related("event").defer("payload", "event__payload", "event__rule")
    return list(found.order_by("due_at", "id")[:limit])
