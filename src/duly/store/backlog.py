"""What waits at this moment: a few looks into partial indexes, never a count of a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, QuerySet

from duly.models import Occurrence, ScheduledEvent
from duly.policy.states import OccurrenceStatus

# Counting ends here: whoever has more waiting needs no exact number.
MOST_COUNTED = 10_000
# The objective of `duly slo`: begun within a minute.
OVERDUE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is due and has not begun, and how much has died. Counts end at MOST_COUNTED."""

    due: int
    overdue: int
    """Of these, those that have been due for more than a minute."""
    oldest: timedelta
    """How long the oldest has been due; zero where nothing is."""
    dead: int


def backlog(using: str, now: datetime) -> Backlog:
    """Look at what is due; what waits for a breaker, a limit or a retry is not due yet."""
    return Backlog(
        due=_due(using, now),
        overdue=_due(using, now - OVERDUE_AFTER),
        oldest=oldest(using, now),
        dead=_count(_occurrences(using).filter(status=OccurrenceStatus.DEAD)),
    )


def oldest(using: str, now: datetime) -> timedelta:
    """Say how long the oldest of what is due has waited; zero where nothing is due."""
    waiting = _occurrences(using).filter(wake_at__isnull=False)
    event_at: datetime | None = _events(using).aggregate(at=Min("next_at"))["at"]
    wake_at: datetime | None = waiting.aggregate(at=Min("wake_at"))["at"]
    return max([timedelta(0), *(now - at for at in (event_at, wake_at) if at is not None)])


def _due(using: str, by: datetime) -> int:
    events = _count(_events(using).filter(next_at__lte=by))
    return min(MOST_COUNTED, events + _count(_occurrences(using).filter(wake_at__lte=by)))


def _count(rows: QuerySet[ScheduledEvent] | QuerySet[Occurrence]) -> int:
    return rows.order_by().values("pk")[:MOST_COUNTED].count()


def _events(using: str) -> QuerySet[ScheduledEvent]:
    return ScheduledEvent.objects.using(using).filter(next_at__isnull=False)


def _occurrences(using: str) -> QuerySet[Occurrence]:
    return Occurrence.objects.using(using)
