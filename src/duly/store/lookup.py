"""Finding events on behalf of a service: others' events are not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from duly.errors import EventNotFound
from duly.models import Occurrence, ScheduledEvent
from duly.policy.states import EventStatus
from duly.store.events import events_in

# Of the recurring events that are due before a window begins, so many are looked at.
MOST_RECURRING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """On whose behalf events are looked for."""

    service: str
    """Whose keys are meant, and whose events there are."""
    sees_all: bool = False
    """Whether an event of any service is there, by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are wanted; what is empty or None does not narrow."""

    service: str | None = None
    entity_type: str = ""
    entity_id: str = ""
    event_type: str = ""
    status: str = ""


def find_owned(using: str, event: str, owner: Owner) -> ScheduledEvent:
    """Find an event by its id or its key. Raises EventNotFound, for others' events as well."""
    return _owned(events_in(using), event, owner)


def lock_owned(using: str, event: str, owner: Owner) -> ScheduledEvent:
    """Find it, and lock it until the transaction ends. Raises EventNotFound."""
    return _owned(events_in(using).select_for_update(), event, owner)


def has_work(using: str, event: ScheduledEvent) -> bool:
    """Say whether something of an event is still to come, or not over."""
    if event.status in (EventStatus.SCHEDULED, EventStatus.PAUSED):
        return True
    return Occurrence.objects.using(using).filter(event=event, wake_at__isnull=False).exists()


def newest(using: str, wanted: Wanted, before: UUID | None, limit: int) -> list[ScheduledEvent]:
    """List events, the newest first; those made before the one with the id `before`."""
    rows = _narrowed(events_in(using), wanted)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return list(rows.order_by("-id")[:limit])


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when to when firings are wanted, and how many."""

    start: datetime | None = None
    after: UUID | None = None
    """Of the events due at `start` itself, those whose id is greater; None: all."""
    end: datetime | None = None
    limit: int = 100


def upcoming(using: str, wanted: Wanted, window: Window) -> list[ScheduledEvent]:
    """Find what may fire first in a window: due in it first, or recurring and due before."""
    rows = _narrowed(events_in(using).filter(next_at__isnull=False), wanted)
    if window.end is not None:
        rows = rows.filter(next_at__lt=window.end)
    soonest = rows.order_by("next_at", "id")
    if window.start is None:
        return list(soonest[: window.limit])
    within, before = Q(next_at__gte=window.start), Q(next_at__lt=window.start)
    if window.after is not None:
        at_start = Q(next_at=window.start)
        within = Q(next_at__gt=window.start) | at_start & Q(id__gt=window.after)
        before |= at_start & Q(id__lte=window.after)
    # Both passes of an overlap are two firings.
    once = Q(rule__kind="at") & ~Q(rule__fold="both")
    recurring = soonest.filter(before).exclude(once)[:MOST_RECURRING]
    return [*recurring, *soonest.filter(within)[: window.limit]]


def _narrowed(
    rows: QuerySet[ScheduledEvent, ScheduledEvent], wanted: Wanted
) -> QuerySet[ScheduledEvent, ScheduledEvent]:
    given: dict[str, Any] = {
        "service": wanted.service,
        "entity_type": wanted.entity_type,
        "entity_id": wanted.entity_id,
        "event_type": wanted.event_type,
        "status": wanted.status,
    }
    return rows.filter(**{name: value for name, value in given.items() if value})


def _owned(
    rows: QuerySet[ScheduledEvent, ScheduledEvent], event: str, owner: Owner
) -> ScheduledEvent:
    try:
        id_ = UUID(event)
    except ValueError:
        pass
    else:
        by_id = rows if owner.sees_all else rows.filter(service=owner.service)
        if found := by_id.filter(id=id_).first():
            return found
    found = rows.filter(service=owner.service, key=event).first()
    if found is None:
        raise EventNotFound(
            f"no event has the id or, in service {owner.service!r}, key {event!r:.220}"
        )
    return found
