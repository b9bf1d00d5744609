"""What has failed since the last look: read from the end of the ledger, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max

from duly.models import LedgerEntry, Occurrence
from duly.store import facts

# A row is visible this long after it was written: what engines write they commit at once.
SETTLE = timedelta(seconds=5)
PAGE = 2_000
DIED = "died"
_FAILURES = (DIED, facts.BREAKER_OPENED)


class Failure(NamedTuple):
    """A row of the ledger that somebody should know of."""

    fact: str
    at: datetime
    service: str
    event_type: str
    what: str
    """The first line of the error, or the name of the gate."""


def end_of_ledger(using: str, now: datetime) -> int:
    """Give the id up to which the ledger is settled."""
    settled = LedgerEntry.objects.using(using).filter(at__lt=now - SETTLE).order_by("-id")
    return settled.values_list("id", flat=True).first() or 0


def failures_after(using: str, id_: int, now: datetime) -> tuple[list[Failure], int]:
    """Give the failures after a row of the ledger, and the row up to which these are all.

    PAGE of them at most: the rest comes after the row that is given.
    """
    after = LedgerEntry.objects.using(using).filter(id__gt=id_)
    last: int | None = after.filter(at__lt=now - SETTLE).aggregate(last=Max("id"))["last"]
    if last is None:
        return [], id_
    rows = list(
        after.filter(id__lte=last, fact__in=_FAILURES)
        .order_by("id")
        .values_list("id", "fact", "at", "occurrence_id", "data")[:PAGE]
    )
    if len(rows) == PAGE:
        last = rows[-1][0]
    of = _occurrences(using, [row[3] for row in rows if row[3] is not None])
    found = []
    for _, fact, at, occurrence_id, data in rows:
        service, event_type = of.get(occurrence_id, ("", "")) if occurrence_id else ("", "")
        said = data or {}
        what = str(said.get("error") if fact == DIED else said.get("gate") or "")
        found.append(Failure(fact, at, service, event_type, what.partition("\n")[0]))
    return found, last


def _occurrences(using: str, ids: list[UUID]) -> dict[UUID, tuple[str, str]]:
    found: dict[UUID, tuple[str, str]] = {}
    for start in range(0, len(ids), 500):
        rows = Occurrence.objects.using(using).filter(id__in=ids[start : start + 500])
        found |= {
            id_: (service, event_type)
            for id_, service, event_type in rows.values_list("id", "service", "event_type")
        }
    return found
