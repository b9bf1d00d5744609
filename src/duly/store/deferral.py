"""Deferral: what did not pass its gates gives up its lease and waits, the reason beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections

from duly.models import LedgerEntry, Occurrence
from duly.policy.gates import Verdict
from duly.policy.states import OccurrenceStatus
from duly.store import facts
from duly.store.rows import Claim
from duly.store.statements import array, instants, quoted, rows_of, uuids

WAITS = "waits: "


def put_aside(using: str, asked: Sequence[tuple[Claim, Verdict]], now: datetime) -> set[UUID]:
    """Let the claims wait whose verdict says until when; gives the occurrences that do.

    Those that are not held any more are left alone.
    """
    waiting = {claim.id: (claim, verdict) for claim, verdict in asked if verdict.until}
    if not waiting:
        return set()
    if connections[using].vendor == "postgresql":
        return _defer(using, waiting.values(), now)
    held = Occurrence.objects.using(using).filter(id__in=waiting, status=OccurrenceStatus.QUEUED)
    rows = [
        row
        for row in held.select_for_update().order_by("id").defer("payload")
        if row.attempt == waiting[row.id][0].attempt
    ]
    entries: list[LedgerEntry] = []
    for row in rows:
        verdict = waiting[row.id][1]
        reason = _reason(verdict)
        if row.reason != reason:
            # Said once, however often it is looked at again.
            data = {"reason": reason}
            entries.append(facts.entry(facts.DEFERRED, now, row.event_id, row.id, data=data))
        row.status, row.holder = OccurrenceStatus.PENDING, None
        row.wake_at, row.reason = verdict.until, reason
    Occurrence.objects.using(using).bulk_update(rows, ["status", "holder", "wake_at", "reason"])
    LedgerEntry.objects.using(using).bulk_create(entries)
    return {row.id for row in rows}


def _defer(using: str, waiting: Iterable[tuple[Claim, Verdict]], now: datetime) -> set[UUID]:
    claims, verdicts = zip(*waiting, strict=True)
    parameters = {
        "now": now,
        "ids": uuids(claim.id for claim in claims),
        "due_ats": instants(claim.due_at for claim in claims),
        "attempts": array(str(claim.attempt) for claim in claims),
        "wake_ats": instants(verdict.until for verdict in verdicts),
        "reasons": array(quoted(_reason(verdict)) for verdict in verdicts),
    }
    return {id_ for (id_,) in rows_of(using, "defer", parameters)}


def _reason(verdict: Verdict) -> str:
    return f"{WAITS}{verdict.gate}: {verdict.reason}"
