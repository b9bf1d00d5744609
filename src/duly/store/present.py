"""What is under way at this moment, and what is about to come: counts that end somewhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from duly.models import Gate, Occurrence, ScheduledEvent
from duly.policy.breaker import BreakerStatus
from duly.policy.states import OccurrenceStatus
from duly.store.backlog import MOST_COUNTED


def running(using: str, now: datetime, lease: timedelta) -> int:
    """Count the attempts that run, wherever; MOST_COUNTED at most.

    lease: how long a lease lives; beyond two of them nothing that runs has its end.
    """
    rows = Occurrence.objects.using(using).filter(wake_at__gte=now, wake_at__lte=now + 2 * lease)
    begun = rows.filter(status=OccurrenceStatus.RUNNING)
    return begun.order_by().values("pk")[:MOST_COUNTED].count()


def to_come(using: str, now: datetime, within: timedelta) -> int:
    """Count the events that come due next within a time; MOST_COUNTED at most."""
    rows = ScheduledEvent.objects.using(using).filter(next_at__gt=now, next_at__lte=now + within)
    return rows.order_by().values("pk")[:MOST_COUNTED].count()


def gates_not_closed(using: str, most: int) -> QuerySet[Gate, Gate]:
    """Give the breakers that keep something back, `most` at most, by name."""
    rows = Gate.objects.using(using).exclude(status=BreakerStatus.CLOSED)
    return rows.order_by("name")[:most]
