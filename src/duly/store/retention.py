"""Retention: history that is old enough goes, by the month where the tables are partitioned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db.models import Q

from duly.store.calls import prune_calls
from duly.store.drop_entries import EntryDropper
from duly.store.drop_occurrences import OccurrenceDropper
from duly.store.partitions import LEDGER, OCCURRENCES, Divided, InUse, Part, parts
from duly.store.prune import Pruned, Pruner, Scope, Terms
from duly.store.prune_sagas import prune_sagas
from duly.telemetry import emit


def prune(
    using: str, terms: Terms, now: datetime, *, actor: str, dry_run: bool = False
) -> Iterator[Pruned]:
    """Delete what ended before an instant; gives what went with each step.

    On partitioned tables whole months go, once all of the month is old enough: first the
    occurrences, then the events that are over, then the ledger; row by row goes what no month
    holds. The ledger verifies after each step.
    """
    months = parts(using, OCCURRENCES)
    if not months:
        yield from Pruner(using, terms).batches(now, actor=actor, dry_run=dry_run)
        yield from prune_sagas(using, terms, now, actor=actor, dry_run=dry_run)
        yield from prune_calls(using, terms, now, actor=actor, dry_run=dry_run)
        return
    occurrences, entries = OccurrenceDropper(using, terms), EntryDropper(using, terms)
    thick = []
    for part in _old(months, terms.before):
        if dry_run:
            yield occurrences.would_drop(part)
            continue
        with _unless_in_use(part):
            pruned = occurrences.drop(part, now, actor)
            if pruned is None:
                thick.append(part)
            else:
                yield pruned
    ledger = parts(using, LEDGER)
    scope = Scope(
        _outside(OCCURRENCES, [part for part in months if part not in thick]),
        _outside(LEDGER, ledger),
    )
    yield from Pruner(using, terms, scope=scope).batches(now, actor=actor, dry_run=dry_run)
    yield from prune_sagas(using, terms, now, actor=actor, scope=scope, dry_run=dry_run)
    yield from prune_calls(using, terms, now, actor=actor, scope=scope, dry_run=dry_run)
    for part in _old(ledger, terms.before):
        if dry_run:
            yield entries.would_drop(part)
            continue
        with _unless_in_use(part):
            yield from entries.drop(part, now, actor)


@contextmanager
def _unless_in_use(part: Part) -> Iterator[None]:
    """Leave for now a month that somebody holds locks on."""
    try:
        yield
    except InUse as error:
        emit("month.kept", month=part.name, error=str(error))


def _old(months: Sequence[Part], before: datetime) -> list[Part]:
    return [part for part in months if part.until and part.until <= before]


def _outside(divided: Divided, months: Sequence[Part]) -> Q:
    """Leave out what is in one of these months."""
    outside = Q()
    for part in months:
        if part.is_month:
            outside &= Q(**{f"{divided.column}__lt": part.since}) | Q(
                **{f"{divided.column}__gte": part.until}
            )
    return outside
