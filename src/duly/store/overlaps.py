"""Occurrences of one event that must not overlap: who begins, who waits, who is over.

Decided when one is about to begin, not when it is claimed ahead of its instant. The event's
row is locked meanwhile, so that two occurrences of it never begin at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.overlap import Other, Verdict, verdict
from duly.policy.states import OccurrenceStatus
from duly.store import facts
from duly.store.rows import Claim

# The end of the other wakes it; this is for an end that nobody could announce.
WAIT = timedelta(seconds=5)
WAITS = "overlap: waits"
CANCEL_ASKED = "overlap: asked to stop"


def is_exclusive(handling: Any) -> bool:
    """Say whether occurrences with these policies must not overlap."""
    return bool(handling) and handling.get("overlap", "allow_all") != "allow_all"


def may_begin(using: str, claim: Claim, now: datetime) -> bool:
    """Say whether an occurrence may begin; else it is put aside, or skipped, as its policy says.

    Within the caller's transaction, until whose end the event's row stays locked.
    """
    events = ScheduledEvent.objects.using(using).filter(id=claim.event_id)
    list(events.select_for_update().values_list("id", flat=True))
    rows = Occurrence.objects.using(using).filter(event_id=claim.event_id)
    before = Q(due_at__lt=claim.due_at) | Q(status=OccurrenceStatus.RUNNING)
    others = list(
        rows.filter(before, wake_at__isnull=False)
        .exclude(id=claim.id)
        .defer("payload")
        .select_for_update()
        .order_by("due_at")
    )
    own = rows.filter(id=claim.id, status=OccurrenceStatus.QUEUED, attempt=claim.attempt)
    overlap = claim.handling["overlap"]
    match verdict(overlap, [_other(row) for row in others]):
        case Verdict.FIRE:
            return True
        case Verdict.SKIP if not own.filter(reason=WAITS).exists():
            _skip(using, own, claim, now, f"overlap={overlap}: {others[0].id} is not over")
        case Verdict.SKIP | Verdict.WAIT:
            _put_aside(own, now)
        case Verdict.CANCEL:
            idle = [row for row in others if row.status != OccurrenceStatus.RUNNING]
            _end(using, idle, now, f"overlap={overlap}")
            running = [row.id for row in others if row.status == OccurrenceStatus.RUNNING]
            if not running:
                return True
            rows.filter(id__in=running).update(reason=CANCEL_ASKED)
            _put_aside(own, now)
        case Verdict.TERMINATE:
            _end(using, others, now, f"overlap={overlap}")
            return True
    return False


def wake_next(using: str, event_ids: Iterable[Any], now: datetime) -> None:
    """Wake what waits for occurrences of these events that have ended."""
    Occurrence.objects.using(using).filter(
        event_id__in=list(event_ids), status=OccurrenceStatus.PENDING, reason=WAITS
    ).update(wake_at=now)


def _other(row: Occurrence) -> Other:
    return Other(OccurrenceStatus(row.status), row.reason == WAITS)


def _put_aside(own: QuerySet[Occurrence, Occurrence], now: datetime) -> None:
    own.update(status=OccurrenceStatus.PENDING, holder=None, wake_at=now + WAIT, reason=WAITS)


def _skip(
    using: str, own: QuerySet[Occurrence, Occurrence], claim: Claim, now: datetime, reason: str
) -> None:
    skipped = own.update(
        status=OccurrenceStatus.SKIPPED,
        holder=None,
        wake_at=None,
        finished_at=now,
        reason=reason,
    )
    if skipped:
        entry = facts.entry(facts.SKIPPED, now, claim.event_id, claim.id, data={"reason": reason})
        LedgerEntry.objects.using(using).bulk_create([entry])


def _end(using: str, others: Sequence[Occurrence], now: datetime, reason: str) -> None:
    Occurrence.objects.using(using).filter(id__in=[row.id for row in others]).update(
        status=OccurrenceStatus.CANCELLED,
        wake_at=None,
        holder=None,
        finished_at=now,
        reason=reason,
    )
    LedgerEntry.objects.using(using).bulk_create(
        facts.entry(facts.CANCELLED, now, row.event_id, row.id, data={"reason": reason})
        for row in others
    )
