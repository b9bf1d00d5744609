"""Statements on calls: what the ledger tells of who called what, and how long it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connections
from django.db.models import QuerySet

from duly.models import LedgerEntry
from duly.store import facts, seals
from duly.store.facts import CALLED, THE_CALLS
from duly.store.prune import PAGE, Pruned, Scope, Terms, tell
from duly.store.turns import transaction_in_turn

LONGEST_ACTOR = 200


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that differ in nothing but their moment, of a second or so."""

    actor: str
    operation: str
    status: int
    count: int


def write(using: str, calls: Sequence[Calls], now: datetime) -> None:
    """Tell the ledger of calls."""
    entries = [
        facts.entry(
            CALLED,
            now,
            THE_CALLS,
            actor=one.actor[:LONGEST_ACTOR],
            data={"operation": one.operation, "status": one.status, "count": one.count},
        )
        for one in calls
    ]
    with transaction_in_turn(using):
        LedgerEntry.objects.using(using).bulk_create(entries)


def told(using: str, actor: str | None) -> QuerySet[LedgerEntry, LedgerEntry]:
    """Find what the ledger tells of calls, the latest first; of one actor, or of all."""
    rows = LedgerEntry.objects.using(using).filter(event_id=THE_CALLS, fact=CALLED).order_by("-id")
    return rows if actor is None else rows.filter(actor=actor)


def prune_calls(
    using: str,
    terms: Terms,
    now: datetime,
    *,
    actor: str,
    scope: Scope | None = None,
    dry_run: bool = False,
) -> Iterator[Pruned]:
    """Delete page by page what is told of calls before an instant; gives what went with each."""
    at_column, last = seals.COLUMNS.index("at"), 0
    skips = connections[using].features.has_select_for_update_skip_locked
    ours = LedgerEntry.objects.using(using).filter((scope or Scope()).entries, event_id=THE_CALLS)
    while True:
        # By id, which goes with time: an index finds the oldest, and the first young one ends it.
        page: list[seals.Row] = list(
            ours.filter(id__gt=last).order_by("id").values_list(*seals.COLUMNS)[:PAGE]
        )
        old = [row for row in page if row[at_column] < terms.before]
        if not old:
            return
        last = page[-1][0]
        if dry_run:
            yield Pruned(entries=len(old))
            continue
        with transaction_in_turn(using):
            # Read again under their locks: of two who prune, one tells the seal.
            rows = ours.filter(id__in=[row[0] for row in old]).order_by("id")
            locked = rows.select_for_update(skip_locked=skips).values_list(*seals.COLUMNS)
            there: list[seals.Row] = list(locked)
            covered = seals.covering(using, [row[0] for row in there])
            # A seal under way would not know that they went.
            going = [row for row in there if row[0] in covered]
            seals.forget(using, going, covered)
            ours.filter(id__in=[row[0] for row in going]).delete()
            pruned = Pruned(entries=len(going))
            if going:
                tell(using, terms, pruned, now, actor)
        yield pruned
