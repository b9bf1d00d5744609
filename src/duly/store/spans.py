"""What lies in spans of time, side by side: occurrences that were born, events that come due.

All of it bounded, however large the tables are: a range of an index for each span, and no more of
it than somebody looking at a chart can tell apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections

from duly.ids import first_id
from duly.models import Occurrence, ScheduledEvent
from duly.policy.states import OccurrenceStatus
from duly.store.backlog import MOST_COUNTED
from duly.store.statements import statement

SHARES = (0.5, 0.95, 0.99)
"""The quantiles of lateness."""
# Four hundred of a span tell its median to a few per cent. Of each quarter of it the same number,
# for what is born first of a crowd is the least late. Of sixty spans, some 40 ms.
SLICES = 4
MOST_OF_SLICE = 100
# Where spans cannot be asked for side by side, so many rows are read, and parted here.
MOST_READ = 50_000
_ID_TO_MILLISECONDS = 80


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans of equal length, the first of which begins at `start`."""

    start: datetime
    step: timedelta
    count: int

    @property
    def end(self) -> datetime:
        """Where the last of them ends."""
        return self.start + self.count * self.step

    def starts(self) -> list[datetime]:
        """Say where each begins."""
        return [self.start + n * self.step for n in range(self.count)]

    def parted(self, parts: int) -> Spans:
        """Part each of them."""
        return Spans(self.start, self.step / parts, self.count * parts)


@dataclass(frozen=True, slots=True)
class Born:
    """What became of the occurrences that were born in one span."""

    start: datetime
    count: int
    """All of them; MOST_COUNTED at most."""
    looked_at: int
    """Of how many it is known what became of them."""
    succeeded: int
    dead: int
    late: tuple[float, ...] | None
    """Seconds from the due instant to the first start, by SHARES; None where none began."""


def born(using: str, spans: Spans) -> list[Born]:
    """Say what was born in each span, and what became of it."""
    read = _born_on_postgres if connections[using].vendor == "postgresql" else _born_elsewhere
    return read(using, spans)


def load(using: str, spans: Spans, most: int = MOST_COUNTED) -> list[int]:
    """Count the events whose next due instant lies in each span, `most` at most in each."""
    if connections[using].vendor == "postgresql":
        given = {"start": spans.start, "step": spans.step, "spans": spans.count, "most": most}
        return [count for (count,) in _rows(using, "load", given)]
    rows = ScheduledEvent.objects.using(using).filter(
        next_at__gte=spans.start, next_at__lt=spans.end
    )
    counts = [0] * spans.count
    starts = spans.starts()
    for at in rows.order_by("next_at").values_list("next_at", flat=True)[:MOST_READ]:
        if at is not None:
            counts[bisect_right(starts, at) - 1] += 1
    return [min(most, count) for count in counts]


def _born_on_postgres(using: str, spans: Spans) -> list[Born]:
    ids = _ids(spans)
    counts = [count for (count,) in _rows(using, "born", {"ids": ids, "most": MOST_COUNTED})]
    given = {
        "ids": _ids(spans.parted(SLICES)),
        "slices": SLICES,
        "most": MOST_OF_SLICE,
        "shares": list(SHARES),
    }
    told = {row[0]: row[1:] for row in _rows(using, "lateness", given)}
    return list(_put_together(spans, counts, told))


def _put_together(
    spans: Spans, counts: Sequence[int], told: dict[int, tuple[Any, ...]]
) -> Iterator[Born]:
    for n, (start, count) in enumerate(zip(spans.starts(), counts, strict=True)):
        looked_at, succeeded, dead, late = told.get(n, (0, 0, 0, None))
        known = late is not None and late[0] is not None
        # Some may have been born between the two statements.
        total = max(count, looked_at)
        yield Born(start, total, looked_at, succeeded, dead, tuple(late) if known else None)


def _born_elsewhere(using: str, spans: Spans) -> list[Born]:
    rows = Occurrence.objects.using(using).filter(
        id__gte=first_id(spans.start), id__lt=first_id(spans.end)
    )
    columns = ("id", "status", "attempt", "due_at", "started_at", "created_at")
    parted: list[list[tuple[Any, ...]]] = [[] for _ in range(spans.count)]
    starts = [_milliseconds(at) for at in spans.starts()]
    for id_, *row in rows.order_by("-id").values_list(*columns)[:MOST_READ]:
        parted[bisect_right(starts, id_.int >> _ID_TO_MILLISECONDS) - 1].append(tuple(row))
    return [_told(start, part) for start, part in zip(spans.starts(), parted, strict=True)]


def _told(start: datetime, rows: Sequence[tuple[Any, ...]]) -> Born:
    statuses = [row[0] for row in rows]
    late = sorted(_lateness(rows))
    return Born(
        start,
        len(rows),
        len(rows),
        statuses.count(OccurrenceStatus.SUCCEEDED),
        statuses.count(OccurrenceStatus.DEAD),
        tuple(_quantile(late, share) for share in SHARES) if late else None,
    )


def _lateness(rows: Iterable[tuple[Any, ...]]) -> Iterator[float]:
    for _, attempt, due_at, started_at, created_at in rows:
        if attempt == 1 and started_at is not None:
            yield (started_at - due_at).total_seconds()
        elif attempt > 1:
            yield max(0.0, (created_at - due_at).total_seconds())


def _quantile(ascending: Sequence[float], share: float) -> float:
    """Give the first value of which at least a share is no larger, as percentile_disc does."""
    place = -int(-share * len(ascending) // 1)
    return ascending[max(0, place - 1)]


def _ids(spans: Spans) -> list[UUID]:
    return [first_id(at) for at in (*spans.starts(), spans.end)]


def _milliseconds(at: datetime) -> int:
    return first_id(at).int >> _ID_TO_MILLISECONDS


def _rows(using: str, name: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(statement(name), given)
        return list(cursor.fetchall())
