"""How it goes: what was born lately and what became of it, in bounded work.

Identifiers sort by the time they were made, so that the newest occurrences are the end of the
primary key, however large the table is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Min

from duly.ids import first_id
from duly.models import LedgerEntry, Occurrence
from duly.policy.service import OWN
from duly.policy.states import LIVE, OccurrenceStatus
from duly.store import facts

MOST_LOOKED_AT = 5_000
ON_TIME = timedelta(minutes=1)
"""The objective of `duly slo`: begun within a minute."""
_NEVER_BEGAN = frozenset({OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED})


class Born(NamedTuple):
    """One occurrence, as far as it matters here."""

    id: UUID
    event_type: str
    service: str
    status: str
    attempt: int
    forgiven: int
    due_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_retried(self) -> bool:
        """Whether `started_at` is of a later attempt than the first."""
        return self.attempt > 1


@dataclass(frozen=True, slots=True)
class OfType:
    """How it went with one event type."""

    event_type: str
    born: int
    dead: int
    retried: int
    slowest: timedelta
    """The longest that one took from the start of its last attempt to its end."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How it went with what was born in a window; of more than it looks at, with the newest."""

    window: timedelta
    """As long as what was looked at spans; at most what was asked for."""
    born: int
    """All but duly's own, and those that were skipped or cancelled before they began."""
    on_time: int
    """Begun within a minute of the due instant."""
    late: int
    """Begun later, or due for more than a minute and not begun."""
    lateness: tuple[float, ...]
    """Seconds from the due instant to the first start, ascending."""
    succeeded: int
    dead: int
    retried: int
    types: tuple[OfType, ...]
    """The one with most of them first."""

    @property
    def per_hour(self) -> float:
        """How many were born in an hour, at this pace."""
        return self.born / max(self.window.total_seconds(), 1.0) * 3600

    @property
    def share_late(self) -> float:
        """The share of those of which it is known that were late; 0 of none."""
        known = self.on_time + self.late
        return self.late / known if known else 0.0

    @property
    def share_dead(self) -> float:
        """The share whose attempts were used up; 0 of none."""
        return self.dead / self.born if self.born else 0.0

    @property
    def mean(self) -> float:
        """The mean lateness in seconds; 0 of none."""
        return sum(self.lateness) / len(self.lateness) if self.lateness else 0.0

    def quantile(self, share: float) -> float | None:
        """Give the lateness, in seconds, that a share stays below; None where nothing began."""
        if not self.lateness:
            return None
        return self.lateness[min(len(self.lateness) - 1, int(len(self.lateness) * share))]


def pulse(using: str, now: datetime, window: timedelta, most: int = MOST_LOOKED_AT) -> Pulse:
    """Look at what was born in (now - window, now], at most at `most` of the newest."""
    rows = born_between(using, now - window, now, most)
    if len(rows) == most:
        window = max(now - rows[-1].created_at, timedelta(seconds=1))
    return pulse_of(using, rows, now, window)


def born_between(using: str, start: datetime, end: datetime, most: int) -> list[Born]:
    """Give the occurrences born in [start, end], the newest first, `most` of them at most."""
    rows = Occurrence.objects.using(using).filter(
        id__gte=first_id(start), id__lt=first_id(end + timedelta(milliseconds=1))
    )
    return [Born(*row) for row in rows.order_by("-id").values_list(*Born._fields)[:most]]


def pulse_of(using: str, rows: Sequence[Born], now: datetime, window: timedelta) -> Pulse:
    """Say how it went with some occurrences."""
    counted = [
        row
        for row in rows
        if row.service != OWN and (row.attempt or row.status not in _NEVER_BEGAN)
    ]
    begun = _first_starts(using, counted)
    lateness = sorted(
        (begun[row.id] - row.due_at).total_seconds() for row in counted if row.id in begun
    )
    in_time = sum(seconds <= ON_TIME.total_seconds() for seconds in lateness)
    waiting = sum(
        row.id not in begun and row.status in LIVE and now - row.due_at > ON_TIME for row in counted
    )
    return Pulse(
        window,
        len(counted),
        in_time,
        len(lateness) - in_time + waiting,
        tuple(lateness),
        sum(row.status == OccurrenceStatus.SUCCEEDED for row in counted),
        sum(row.status == OccurrenceStatus.DEAD for row in counted),
        sum(row.attempt - row.forgiven > 1 for row in counted),
        _by_type(counted),
    )


def _first_starts(using: str, rows: Sequence[Born]) -> dict[UUID, datetime]:
    """Say when the first attempt of each began; the ledger knows of those tried again."""
    begun = {row.id: row.started_at for row in rows if row.attempt == 1 and row.started_at}
    retried = [row.id for row in rows if row.is_retried]
    for start in range(0, len(retried), 500):
        some = retried[start : start + 500]
        events = Occurrence.objects.using(using).filter(id__in=some).values("event_id")
        entries = LedgerEntry.objects.using(using).filter(
            event_id__in=events, occurrence_id__in=some, fact=facts.STARTED
        )
        starts = entries.order_by().values("occurrence_id").annotate(began=Min("at"))
        for id_, began in starts.values_list("occurrence_id", "began"):
            assert id_ is not None
            begun[id_] = began
    return begun


def _by_type(rows: Iterable[Born]) -> tuple[OfType, ...]:
    found: dict[str, list[Born]] = {}
    for row in rows:
        found.setdefault(row.event_type, []).append(row)
    types = (
        OfType(
            name,
            len(of_type),
            sum(row.status == OccurrenceStatus.DEAD for row in of_type),
            sum(row.attempt - row.forgiven > 1 for row in of_type),
            max(map(_took, of_type)),
        )
        for name, of_type in found.items()
    )
    return tuple(sorted(types, key=lambda one: -one.born))


def _took(row: Born) -> timedelta:
    if row.started_at is None or row.finished_at is None:
        return timedelta(0)
    return max(row.finished_at - row.started_at, timedelta(0))
