"""Prune: history that is old enough goes, in small batches; what it was is sealed all the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from duly.ids import first_id
from duly.models import LedgerEntry, LedgerSeal, Occurrence, ScheduledEvent
from duly.policy.states import EventStatus, OccurrenceStatus
from duly.store import facts, seals
from duly.store.facts import THE_LEDGER
from duly.store.locks import unlocked
from duly.store.turns import transaction_in_turn

# Rows that one page looks at; one transaction deletes no more of them.
PAGE = 500
# Engines add nothing to what has ended, but the late results of zombies.
LATE_RESULTS = timedelta(hours=1)
ENDED = (EventStatus.FINISHED, EventStatus.CANCELLED)
_CHUNK = 500
# Says in the ledger that the entries of what was pruned stay until their month is dropped.
LEAVES_ENTRIES = "leaves_entries"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went."""

    occurrences: int = 0
    events: int = 0
    entries: int = 0
    sagas: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.occurrences + other.occurrences,
            self.events + other.events,
            self.entries + other.entries,
            self.sagas + other.sagas,
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What goes, and what stays.

    before: occurrences that ended then or later stay, and so does all that is alive.
    dead: whether dead occurrences go as well, which wait for a person.
    """

    before: datetime
    dead: bool = False

    @property
    def goes(self) -> list[str]:
        """The statuses of occurrences that go."""
        also = [OccurrenceStatus.DEAD] if self.dead else []
        ended = (OccurrenceStatus.SUCCEEDED, OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED)
        return [str(status) for status in (*ended, *also)]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows are deleted one by one; the others go with their months."""

    occurrences: Q = field(default_factory=Q)
    entries: Q = field(default_factory=Q)


@dataclass(slots=True)
class _Doomed:
    """What a batch is about to delete."""

    occurrences: set[UUID]
    events: set[UUID]


class Pruner:
    """Deletes what ended before an instant.

    Goes through the tables by their primary keys, which sort by time, so that it needs no
    index of its own. Each batch is one transaction, and locks nothing that an engine wants.
    """

    def __init__(
        self, using: str, terms: Terms, *, page: int = PAGE, scope: Scope | None = None
    ) -> None:
        self._using = using
        self._terms = terms
        self._before = terms.before
        self._page = page
        self._goes = terms.goes
        self._scope = scope or Scope()

    def batches(self, now: datetime, *, actor: str, dry_run: bool = False) -> Iterator[Pruned]:
        """Delete page by page; gives what went with each, which may be nothing."""
        for rows in pages(self._in_scope(), self._before, self._page):
            ids = [id_ for id_, status, ended in rows if self._is_old(status, ended)]
            yield self._batch(ids, [], now, actor, dry_run) if ids else Pruned()
        # Those that never had an occurrence, or lost their last one in another batch.
        for events in pages(self._events(), self._before, self._page):
            ids = [
                id_ for id_, status, at in events if status in ENDED and at and at < self._before
            ]
            yield self._batch([], ids, now, actor, dry_run) if ids else Pruned()

    def _is_old(self, status: str, ended: datetime | None) -> bool:
        return status in self._goes and ended is not None and ended < self._before

    def _batch(
        self,
        occurrences: list[UUID],
        events: list[UUID],
        now: datetime,
        actor: str,
        dry_run: bool,
    ) -> Pruned:
        with transaction_in_turn(self._using):
            doomed = self._doomed(occurrences, events)
            entries = self._entries(doomed)
            if dry_run:
                return Pruned(len(doomed.occurrences), len(doomed.events), len(entries))
            covered = seals.covering(self._using, [row[0] for row in entries])
            entries = _without_unsealed(doomed, entries, covered)
            pruned = Pruned(len(doomed.occurrences), len(doomed.events), len(entries))
            if pruned == Pruned():
                return pruned
            seals.forget(self._using, entries, covered)
            for chunk in _chunks(row[0] for row in entries):
                LedgerEntry.objects.using(self._using).filter(id__in=chunk).delete()
            for chunk in _chunks(doomed.occurrences):
                Occurrence.objects.using(self._using).filter(id__in=chunk).delete()
            for chunk in _chunks(doomed.events):
                # Not `delete()`: it would read each event, and look for what hangs on it, again.
                ScheduledEvent.objects.filter(id__in=chunk)._raw_delete(self._using)
            self._tell(pruned, now, actor)
        return pruned

    def _doomed(self, ids: list[UUID], event_ids: list[UUID]) -> _Doomed:
        """Lock what goes, and look at it again; what others have locked stays for now."""
        rows = self._occurrences().filter(
            id__in=ids, status__in=self._goes, finished_at__lt=self._before
        )
        found = dict(unlocked(rows.order_by("id")).values_list("id", "event_id"))
        ended = (
            self._events()
            .filter(id__in=event_ids or set(found.values()))
            .filter(status__in=ENDED, updated_at__lt=self._before)
        )
        events = set(unlocked(ended.order_by("id")).values_list("id", flat=True))
        others = self._occurrences().filter(event_id__in=events).exclude(id__in=found)
        events -= set(others.values_list("event_id", flat=True).distinct())
        # An event that stays is what the last of its facts says: that one stays with it.
        last = self._last_of(set(found.values()) - events)
        return _Doomed(set(found) - last, events)

    def _last_of(self, event_ids: Collection[UUID]) -> set[UUID]:
        """Find the occurrences that the present state of events comes from."""
        says = LedgerEntry.objects.using(self._using).filter(
            event_id=OuterRef("id"), data__has_key="next_at"
        )
        latest = Subquery(says.order_by("-id").values("occurrence_id")[:1])
        rows = self._events().filter(id__in=event_ids).annotate(latest=latest)
        return {id_ for id_ in rows.values_list("latest", flat=True) if id_ is not None}

    def _entries(self, doomed: _Doomed) -> list[seals.Row]:
        """Read the ledger entries of what goes."""
        ledger = LedgerEntry.objects.using(self._using).filter(self._scope.entries)
        rows = list(ledger.filter(event_id__in=doomed.events).values_list(*seals.COLUMNS))
        born = Occurrence.objects.using(self._using).filter(id__in=doomed.occurrences)
        kept = born.exclude(event_id__in=doomed.events)
        times = list(kept.values_list("id", "event_id", "created_at", "finished_at"))
        if times:
            span = self._span(
                min(created for *_, created, _ in times),
                max(finished for *_, finished in times if finished),
            )
            rows += ledger.filter(
                span,
                event_id__in={event_id for _, event_id, *_ in times},
                occurrence_id__in=[id_ for id_, *_ in times],
            ).values_list(*seals.COLUMNS)
        return rows

    def _span(self, since: datetime, until: datetime) -> Q:
        """Bound ledger ids by time, so that the long history of one event is not all read."""
        ranges = LedgerSeal.objects.using(self._using)
        low = ranges.filter(at__lt=since).order_by("-first").values_list("last", flat=True).first()
        high = self._first_after(until + LATE_RESULTS)
        bound = Q() if low is None else Q(id__gt=low)
        return bound if high is None else bound & Q(id__lt=high)

    def _first_after(self, at: datetime) -> int | None:
        """Find an id, soon after an instant, before which everything until then was written."""
        later = LedgerSeal.objects.using(self._using).filter(at__gt=at).order_by("first")
        firsts = later.values_list("first", flat=True)
        entries = LedgerEntry.objects.using(self._using).order_by("id").values_list("at", flat=True)
        # The first will do, unless what it covers had waited long to be sealed.
        place = 0
        while found := list(firsts[place : place + 1]):
            written = entries.filter(id__gte=found[0]).first()
            if written is not None and written > at:
                return found[0]
            place = 2 * place + 1
        return None

    def _tell(self, pruned: Pruned, now: datetime, actor: str) -> None:
        more = {LEAVES_ENTRIES: True} if self._scope.entries else {}
        tell(self._using, self._terms, pruned, now, actor, **more)

    def _in_scope(self) -> QuerySet[Occurrence, Occurrence]:
        return self._occurrences().filter(self._scope.occurrences)

    def _occurrences(self) -> QuerySet[Occurrence, Occurrence]:
        return Occurrence.objects.using(self._using)

    def _events(self) -> QuerySet[ScheduledEvent, ScheduledEvent]:
        return ScheduledEvent.objects.using(self._using)


def tell(
    using: str, terms: Terms, pruned: Pruned, now: datetime, actor: str, **more: object
) -> None:
    """Record what went, in the ledger of the ledger."""
    data = {
        "before": terms.before.isoformat(),
        "dead": terms.dead,
        "occurrences": pruned.occurrences,
        "events": pruned.events,
        "entries": pruned.entries,
    }
    facts.entry(facts.PRUNED, now, THE_LEDGER, actor=actor, data=data | more).save(using=using)


def total(batches: Iterable[Pruned]) -> Pruned:
    """Add up what went."""
    return reduce(add, batches, Pruned())


def _without_unsealed(
    doomed: _Doomed, entries: list[seals.Row], covered: Collection[int]
) -> list[seals.Row]:
    """Leave out what is not sealed yet: a seal under way would not know that it went."""
    _, _, event_at, occurrence_at, *_ = range(len(seals.COLUMNS))
    open_ = [row for row in entries if row[0] not in covered]
    doomed.events -= {row[event_at] for row in open_}
    doomed.occurrences -= {row[occurrence_at] for row in open_}
    return [
        row
        for row in entries
        if row[event_at] in doomed.events or row[occurrence_at] in doomed.occurrences
    ]


def pages(
    rows: QuerySet[Any, Any], before: datetime, size: int
) -> Iterator[list[tuple[UUID, str, datetime | None]]]:
    """Go through what was made before an instant: id, status, and when that was last set."""
    ended = "finished_at" if rows.model is Occurrence else "updated_at"
    made = rows.filter(id__lt=first_id(before)).order_by("id").values_list("id", "status", ended)
    last = UUID(int=0)
    while page := list(made.filter(id__gt=last)[:size]):
        yield page
        last = page[-1][0]


def _chunks(ids: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
