"""Which event types are to fire one day, in bounded work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duly.models import Occurrence, ScheduledEvent
from duly.policy.states import OccurrenceStatus
from duly.store.portable import NO_HANDLER

# From each end of the index: what comes next, and what comes last.
MOST_LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True)
class StoredType:
    """One event type of one service."""

    service: str
    event_type: str


def types_to_come(using: str) -> set[StoredType]:
    """Give the types of the events that are due soonest, and of those that are due last."""
    events = ScheduledEvent.objects.using(using).filter(next_at__isnull=False)
    columns = events.values_list("service", "event_type")
    soonest = columns.order_by("next_at")[:MOST_LOOKED_AT]
    return _types(soonest) | _types(columns.order_by("-next_at")[:MOST_LOOKED_AT])


def parked_types(using: str) -> set[StoredType]:
    """Give the types of occurrences that are due, and that no engine could run."""
    waiting = Occurrence.objects.using(using).filter(wake_at__isnull=False).order_by("wake_at")
    rows = waiting.values_list("service", "event_type", "status", "reason")[:MOST_LOOKED_AT]
    return {
        StoredType(service, event_type)
        for service, event_type, status, reason in rows
        if status == OccurrenceStatus.PENDING and reason.startswith(NO_HANDLER)
    }


def _types(rows: Iterable[tuple[str, str]]) -> set[StoredType]:
    return {StoredType(*row) for row in set(rows)}
