"""The end of the ledger, followed: what fires, as it becomes visible, and nothing missed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import islice
from operator import or_
from threading import Lock
from typing import Any, Final, Literal, TypeAlias, get_args
from uuid import UUID

from django.db.models import Max, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left

from duly.models import LedgerEntry, ScheduledEvent
from duly.store.gaps import Gaps, Judge, judge_of

Firing = Literal[
    "due",
    "triggered",
    "moved",
    "backfilled",
    "started",
    "succeeded",
    "retried",
    "snoozed",
    "died",
    "skipped",
    "missed",
    "cancelled",
    "replayed",
]
FIRING: Final[tuple[str, ...]] = get_args(Firing)
"""The facts that are told: those of occurrences, and of firings that had none."""

LOOK_ROWS = 2_000
MOST_KEPT = 10_000
# Ids before the end in which a transaction may have been open when a tail begins.
WINDOW = 10_000
# Conditions in one statement: SQLite nests no expression deeper than 1,000.
MOST_RANGES = 100
LONGEST_ERROR = 500

Pair: TypeAlias = tuple[int, int]
Row: TypeAlias = tuple[Any, ...]
"""Of an entry: id, at, fact, event_id, occurrence_id, attempt, error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """One fact about a firing, and whose it is."""

    id: int
    """Of the ledger."""
    at: datetime
    fact: str
    event_id: UUID
    occurrence_id: UUID | None
    attempt: int | None
    service: str
    event_type: str
    entity_type: str
    entity_id: str
    error: str
    """The beginning of its first line; empty for none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts are wanted; what is empty or None does not narrow."""

    service: str | None = None
    event_type: str = ""
    entity_type: str = ""
    entity_id: str = ""
    facts: frozenset[str] = frozenset(FIRING)

    def takes(self, fired: Fired) -> bool:
        """Say whether this one is among them."""
        return (
            fired.fact in self.facts
            and self.service in (None, fired.service)
            and self.event_type in ("", fired.event_type)
            and self.entity_type in ("", fired.entity_type)
            and self.entity_id in ("", fired.entity_id)
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A fact, and where to go on for whoever has seen it."""

    fired: Fired
    settled: int
    """Whoever reads all facts with greater ids misses none: see `Tail`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tail has come to."""

    number: int
    """Of the next fact that it keeps."""
    end: int
    """The greatest id that it has seen."""
    settled: int
    gaps: tuple[Pair, ...]


class Tail:
    """Follows the ledger of a database, for as many as want to read along.

    Facts come in the order of their ids, but for those whose transactions commit later than
    that of a greater id: they come when they are there. `settled` is the id up to which all
    has come, and from which to read on after a pause. One thread looks; others may read.
    """

    def __init__(
        self,
        using: str,
        judge: Judge | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._using = using
        self._gaps = Gaps(judge or judge_of(using), monotonic)
        self._kept: deque[Kept] = deque(maxlen=MOST_KEPT)
        self._lock = Lock()
        self._end = _entries(using).aggregate(last=Max("id"))["last"] or 0
        begin = max(0, self._end - WINDOW)
        ids = _entries(using).filter(id__gt=begin, id__lte=self._end).order_by("id")
        self._gaps.passed(begin, [*ids.values_list("id", flat=True), self._end + 1])
        self._place = self._here(0)

    @property
    def place(self) -> Place:
        """Where it has come to."""
        return self._place

    def since(self, number: int) -> list[Kept] | None:
        """Give what it has kept from a number on; None: that is gone already."""
        with self._lock:
            first = self._place.number - len(self._kept)
            return list(islice(self._kept, number - first, None)) if number >= first else None

    def look(self) -> bool:
        """Read what has come; says whether there is more already."""
        late: list[Row] = []

        def find(pairs: Sequence[Pair]) -> list[int]:
            # Of other facts nothing is told: their gaps close once nobody can fill them.
            firing = _entries(self._using).filter(fact__in=FIRING)
            for start in range(0, len(pairs), MOST_RANGES):
                within = (Q(id__range=pair) for pair in pairs[start : start + MOST_RANGES])
                late.extend(_rows(firing.filter(reduce(or_, within))))
            return [row[0] for row in late]

        self._gaps.look(find)
        settled = self._gaps.settled_to(self._end)
        kept = [Kept(fired, settled) for fired in told(self._using, late)]
        rows = _rows(_entries(self._using).filter(id__gt=self._end)[:LOOK_ROWS])
        if rows:
            self._gaps.passed(self._end, [row[0] for row in rows])
            self._end = rows[-1][0]
        firing = [row for row in rows if row[2] in FIRING]
        kept += [
            Kept(fired, self._gaps.settled_to(fired.id)) for fired in told(self._using, firing)
        ]
        with self._lock:
            self._kept += kept
            self._place = self._here(self._place.number + len(kept))
        return len(rows) == LOOK_ROWS

    def _here(self, number: int) -> Place:
        gaps = tuple(self._gaps.ranges())
        return Place(number, self._end, self._gaps.settled_to(self._end), gaps)


def read(using: str, after: int, until: int, limit: int) -> tuple[list[Fired], int]:
    """Read facts about firings with ids in (after, until], ascending, at most so many.

    Gives them, and the id to read on after; `until` where nothing is left.
    """
    rows = _rows(_entries(using).filter(id__gt=after, id__lte=until, fact__in=FIRING)[:limit])
    return told(using, rows), rows[-1][0] if len(rows) == limit else until


def told(using: str, rows: Sequence[Row]) -> list[Fired]:
    """Give facts with whose they are; what is about no event that is there is left out."""
    if not rows:
        return []
    events = ScheduledEvent.objects.using(using).filter(id__in={row[3] for row in rows})
    owners = {
        id_: owner
        for id_, *owner in events.values_list(
            "id", "service", "event_type", "entity_type", "entity_id"
        )
    }
    return [_fired(row, owners[row[3]]) for row in rows if row[3] in owners]


def _fired(row: Row, owner: Sequence[str]) -> Fired:
    id_, at, fact, event_id, occurrence_id, attempt, error = row
    service, event_type, entity_type, entity_id = owner
    return Fired(
        id=id_,
        at=at,
        fact=fact,
        event_id=event_id,
        occurrence_id=occurrence_id,
        attempt=attempt,
        service=service,
        event_type=event_type,
        entity_type=entity_type,
        entity_id=entity_id,
        error=(error or "").partition("\n")[0],
    )


def _entries(using: str) -> QuerySet[LedgerEntry, LedgerEntry]:
    return LedgerEntry.objects.using(using).order_by("id")


def _rows(entries: QuerySet[LedgerEntry, LedgerEntry]) -> list[Row]:
    error = Left(KT("data__error"), LONGEST_ERROR)
    return list(
        entries.values_list("id", "at", "fact", "event_id", "occurrence_id", "attempt", error)
    )
