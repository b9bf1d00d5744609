"""A month of the ledger, dropped at once; what must stay of it goes to DEFAULT.

Each seal is told what went of its rows. Where that is all of them, their sum is known without
reading any: it is the seal's total. Else they are read, so that what is left of a seal must
still be what was sealed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from duly.models import LedgerEntry, LedgerSeal
from duly.store import seals
from duly.store.drop_occurrences import LARGEST_MOVE, fence
from duly.store.facts import THE_LEDGER
from duly.store.partitions import (
    LEDGER,
    Part,
    lock,
    patiently,
    put_back,
    set_aside,
    short_locks,
    sql,
)
from duly.store.prune import ENDED, Pruned, Terms, tell

Span = tuple[Any, ...]
"""The first and the last id in a partition, or nothing."""

# Facts stay of the ledger itself, of events that stay, and of their occurrences that stay; and
# all of an event that has ended, until it is deleted.
_STAYING = """
SELECT l.id FROM {part} l WHERE l.event_id = %(the_ledger)s
UNION ALL
SELECT l.id FROM {part} l JOIN duly_scheduledevent e ON e.id = l.event_id
WHERE l.occurrence_id IS NULL
UNION ALL
SELECT l.id FROM {part} l JOIN duly_occurrence o ON o.id = l.occurrence_id
UNION ALL
SELECT l.id FROM {part} l JOIN duly_scheduledevent e ON e.id = l.event_id
WHERE l.occurrence_id IS NOT NULL AND e.status = ANY(%(ended)s)
  AND NOT EXISTS (SELECT FROM duly_occurrence o WHERE o.event_id = e.id)
"""


@dataclass(frozen=True, slots=True)
class Going:
    """Rows that go, all of them covered by one seal."""

    seal: int
    pruned: int
    """How many rows had gone of this seal before."""
    ids: list[int]
    are_all: bool
    """Nothing of the seal is left after them."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What a seal is told."""

    seal: int
    pruned: int
    count: int
    digests: int | None
    """Their sum; None: all that the seal has left."""


class Changed(Exception):
    """Somebody else prunes the same rows."""


@dataclass(frozen=True, slots=True)
class EntryDropper:
    """Drops partitions of the ledger, on the terms of one pruning."""

    using: str
    terms: Terms

    def drop(self, part: Part, now: datetime, actor: str) -> Iterator[Pruned]:
        """Drop a month, or delete what goes row by row where too much of it stays."""
        fence(self.using, part)
        span = self._span(part)
        staying = self._staying(part)
        going = self._going(part, span, staying)
        with suppress(Changed):
            if len(staying) > LARGEST_MOVE:
                for one in going:
                    yield self._delete(part, one, now, actor)
            else:
                # Complete before it is dropped: `staying` is known only then.
                gone = [self._weighed(part, one) for one in going]
                yield patiently(lambda: self._drop(part, span, staying, gone, now, actor))

    def would_drop(self, part: Part) -> Pruned:
        """Count the entries of a month: more than will go, for some will stay."""
        return Pruned(entries=sql(self.using, f"SELECT count(*) FROM {part.name}")[0][0])

    def _drop(
        self,
        part: Part,
        span: Span,
        staying: Collection[int],
        gone: Sequence[Gone],
        now: datetime,
        actor: str,
    ) -> Pruned:
        pruned = Pruned(entries=sum(one.count for one in gone))
        with short_locks(self.using):
            self._account(gone)
            lock(self.using, LEDGER.table)
            lock(self.using, part.name)
            if self._span(part) != span:
                raise Changed
            kept = set_aside(self.using, LEDGER, part.name, "id = ANY(%s)", [list(staying)])
            sql(self.using, f"DROP TABLE {part.name}")
            put_back(self.using, LEDGER, kept)
            tell(self.using, self.terms, pruned, now, actor, partition=part.name)
        return pruned

    def _delete(self, part: Part, going: Going, now: datetime, actor: str) -> Pruned:
        pruned = Pruned(entries=len(going.ids))
        gone = self._weighed(part, going)
        with transaction.atomic(self.using):
            self._account([gone])
            sql(self.using, f"DELETE FROM {part.name} WHERE id = ANY(%s)", [going.ids])
            tell(self.using, self.terms, pruned, now, actor, partition=part.name)
        return pruned

    def _span(self, part: Part) -> Span:
        return sql(self.using, f"SELECT min(id), max(id) FROM {part.name}")[0]

    def _staying(self, part: Part) -> set[int]:
        parameters = {"the_ledger": THE_LEDGER, "ended": list(ENDED)}
        found = sql(self.using, _STAYING.format(part=part.name), parameters)
        # What no seal covers yet stays until one does.
        sealed = LedgerSeal.objects.using(self.using).aggregate(last=Max("last"))["last"] or 0
        found += sql(self.using, f"SELECT id FROM {part.name} WHERE id > %s", [sealed])
        return {id_ for (id_,) in found}

    def _going(self, part: Part, span: Span, staying: set[int]) -> Iterator[Going]:
        """Sort what goes by the seal that covers it; adds to `staying` what none covers."""
        first, last = span
        if first is None:
            return
        covered_by = seals.late_seals(self.using)
        late: dict[int, list[int]] = defaultdict(list)
        rows = LedgerSeal.objects.using(self.using).filter(last__gte=first, first__lte=last)
        for seal in rows.order_by("first").defer("total", "pruned_total"):
            within = f"SELECT id FROM {part.name} WHERE id BETWEEN %s AND %s"
            ids = []
            for (id_,) in sql(self.using, within, [seal.first, seal.last]):
                if id_ in staying:
                    continue
                if id_ in covered_by:
                    late[covered_by[id_]].append(id_)
                elif seals.is_in(seal.gaps, id_):
                    staying.add(id_)
                else:
                    ids.append(id_)
            if ids:
                are_all = not seal.late and len(ids) + seal.pruned == seal.rows
                yield Going(seal.id, seal.pruned, ids, are_all)
        seen = LedgerSeal.objects.using(self.using).filter(id__in=late)
        for seal_id, pruned in seen.values_list("id", "pruned"):
            yield Going(seal_id, pruned, late[seal_id], False)

    def _weighed(self, part: Part, going: Going) -> Gone:
        digests = None
        if not going.are_all:
            rows = LedgerEntry.objects.using(self.using).filter(id__in=going.ids)
            rows = rows.filter(at__lt=part.until, **({"at__gte": part.since} if part.since else {}))
            digests = seals.digests(rows.values_list(*seals.COLUMNS))
        return Gone(going.seal, going.pruned, len(going.ids), digests)

    def _account(self, gone: Iterable[Gone]) -> None:
        """Tell the seals; raises Changed where another has told them meanwhile."""
        of: dict[int, list[Gone]] = defaultdict(list)
        for one in gone:
            of[one.seal].append(one)
        rows = LedgerSeal.objects.using(self.using).filter(id__in=of).order_by("id")
        told = list(rows.select_for_update())
        for seal in told:
            if any(one.pruned != seal.pruned for one in of[seal.id]):
                raise Changed
            for one in of[seal.id]:
                seals.take_from(seal, one.count, one.digests)
        LedgerSeal.objects.using(self.using).bulk_update(told, ("pruned_total", "pruned"), 100)
