"""How punctual the occurrences of a window were, computed from their rows and the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, OuterRef, Subquery

from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.service import OWN
from duly.policy.states import OccurrenceStatus
from duly.store import facts

# An engine that is not there at all shows within this.
LOST_AFTER = timedelta(minutes=5)
_MINUTE, _SECOND = 60.0, 1.0
_NEVER_BEGAN = (OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the occurrences that were due in a window."""

    due: int
    """All that were due but duly's own, and those skipped or cancelled before they began."""
    within_minute: float
    """The share whose first attempt began within a minute of the due instant; 1 of none."""
    within_second: float
    p50: float | None
    """Lateness of first attempts, in seconds; None where none began."""
    p99: float | None
    p999: float | None
    worst: float | None
    lost: int
    """Due for more than five minutes, and nothing of them has begun."""
    dead: int
    retried: int
    skipped: int

    def met(self, *, share: float) -> bool:
        """Say whether nothing was lost and a share began within a minute."""
        return self.lost == 0 and self.within_minute >= share

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return asdict(self)


def report(using: str, now: datetime, window: timedelta) -> Report:
    """Compute the report over the due instants in (now - window, now]."""
    rows = Occurrence.objects.using(using).filter(due_at__gt=now - window, due_at__lte=now)
    rows = rows.exclude(service=OWN)
    first = LedgerEntry.objects.using(using).filter(
        event_id=OuterRef("event_id"), occurrence_id=OuterRef("id"), fact=facts.STARTED
    )
    began = first.order_by().values("occurrence_id").annotate(at=Min("at")).values("at")
    late: list[float] = []
    waiting = lost = dead = retried = skipped = 0
    columns = ("due_at", "status", "attempt", "forgiven")
    for due_at, status, attempt, forgiven, begun_at in rows.annotate(
        begun_at=Subquery(began)
    ).values_list(*columns, "begun_at"):
        if attempt == 0 and status in _NEVER_BEGAN:
            skipped += 1
            continue
        dead += status == OccurrenceStatus.DEAD
        retried += attempt - forgiven > 1
        if begun_at is None:
            waiting += 1
            lost += now - due_at > LOST_AFTER
        else:
            late.append((begun_at - due_at).total_seconds())
    unborn = ScheduledEvent.objects.using(using).filter(next_at__lte=now - LOST_AFTER)
    lost += unborn.filter(next_at__gt=now - window).count()
    late.sort()
    due = len(late) + waiting
    return Report(
        due,
        _share(late, due, _MINUTE),
        _share(late, due, _SECOND),
        _quantile(late, 0.5),
        _quantile(late, 0.99),
        _quantile(late, 0.999),
        late[-1] if late else None,
        lost,
        dead,
        retried,
        skipped,
    )


def _share(late: list[float], due: int, within: float) -> float:
    return sum(seconds <= within for seconds in late) / due if due else 1.0


def _quantile(ascending: list[float], share: float) -> float | None:
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]
