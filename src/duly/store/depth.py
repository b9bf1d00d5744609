"""How deep the queue is, and which breakers do not let through: one bounded look at each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Q

from duly.models import Gate, Occurrence
from duly.policy.breaker import BreakerStatus
from duly.policy.states import OccurrenceStatus
from duly.store.backlog import MOST_COUNTED


@dataclass(frozen=True, slots=True)
class Depth:
    """What has been born and has not ended. Counting ends at MOST_COUNTED of them all."""

    held: int
    """Claimed by an engine, and not begun."""
    running: int
    """Attempts under way."""
    waiting: int
    """For a retry, a gate, a limit, or somebody who knows their type."""


def depth(using: str) -> Depth:
    """Look at what is alive, by its state."""
    live = Occurrence.objects.using(using).filter(wake_at__isnull=False).order_by()
    states = {
        "held": OccurrenceStatus.QUEUED,
        "running": OccurrenceStatus.RUNNING,
        "waiting": OccurrenceStatus.PENDING,
    }
    counts = {name: Count("pk", filter=Q(status=status)) for name, status in states.items()}
    return Depth(**live.only("pk", "status")[:MOST_COUNTED].aggregate(**counts))


@dataclass(frozen=True, slots=True)
class Breakers:
    """The breakers that have been asked, but for those of single keys."""

    by_status: Counter[BreakerStatus] = field(default_factory=Counter)
    shut: Mapping[str, BreakerStatus] = field(default_factory=dict)
    """Those that are open or tried, by the names of their gates in order."""


def breakers(using: str, most: int) -> Breakers:
    """Look at the breakers; names `most` of those that are not closed."""
    rows = Gate.objects.using(using).exclude(name__startswith="key:").order_by()
    counted = rows.values_list("status").annotate(count=Count("pk"))
    by_status = Counter({BreakerStatus(status): count for status, count in counted})
    if not by_status.keys() - {BreakerStatus.CLOSED}:
        return Breakers(by_status)
    shut = rows.exclude(status=BreakerStatus.CLOSED).order_by("name")[:most]
    named = {name: BreakerStatus(status) for name, status in shut.values_list("name", "status")}
    return Breakers(by_status, named)
