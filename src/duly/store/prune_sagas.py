"""Prune sagas: those that ended long ago go, with their steps and what the ledger tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from duly.models import LedgerEntry, Saga
from duly.models.saga import SagaStep
from duly.policy.saga import ENDED
from duly.store import seals
from duly.store.locks import unlocked
from duly.store.prune import PAGE, Pruned, Scope, Terms, pages, tell
from duly.store.turns import transaction_in_turn


def prune_sagas(
    using: str,
    terms: Terms,
    now: datetime,
    *,
    actor: str,
    scope: Scope | None = None,
    dry_run: bool = False,
) -> Iterator[Pruned]:
    """Delete page by page; gives what went with each.

    A failed saga stays, since it waits for a person; and so does, unless the dead go as well,
    one of which a step died: replayed, that would have to be compensated.
    """
    rows = Saga.objects.using(using)
    for page in pages(rows, terms.before, PAGE):
        ids = [id_ for id_, status, at in page if status in ENDED and at and at < terms.before]
        if not ids:
            continue
        with transaction_in_turn(using):
            pruned = _delete(using, terms, ids, scope or Scope(), dry_run)
            if pruned.sagas and not dry_run:
                tell(using, terms, pruned, now, actor, sagas=pruned.sagas)
        yield pruned


def _delete(using: str, terms: Terms, ids: list[UUID], scope: Scope, dry_run: bool) -> Pruned:
    # Looked at again under their locks: a replay may have brought one back.
    rows = Saga.objects.using(using).filter(
        id__in=ids, status__in=list(ENDED), updated_at__lt=terms.before
    )
    if not terms.dead:
        died = SagaStep.objects.using(using).filter(saga=OuterRef("id"), status="failed")
        rows = rows.exclude(Exists(died))
    locked = unlocked(rows.order_by("id"))
    going = set(locked.values_list("id", flat=True))
    ledger = LedgerEntry.objects.using(using).filter(scope.entries, event_id__in=going)
    entries: list[seals.Row] = list(ledger.values_list(*seals.COLUMNS))
    if dry_run:
        return Pruned(entries=len(entries), sagas=len(going))
    covered = seals.covering(using, [row[0] for row in entries])
    # A seal under way would not know that they went.
    event_at = seals.COLUMNS.index("event_id")
    going -= {row[event_at] for row in entries if row[0] not in covered}
    entries = [row for row in entries if row[event_at] in going]
    seals.forget(using, entries, covered)
    LedgerEntry.objects.using(using).filter(id__in=[row[0] for row in entries]).delete()
    SagaStep.objects.using(using).filter(saga_id__in=going).delete()
    Saga.objects.filter(id__in=going)._raw_delete(using)
    return Pruned(entries=len(entries), sagas=len(going))
