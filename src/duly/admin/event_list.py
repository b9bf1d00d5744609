"""The list of events: by what it is narrowed, and which index finds that."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from duly.admin import cells, permissions, suggestions, verbs
from duly.admin.bulk import BulkAction
from duly.admin.engine_owned import Column, Listing
from duly.admin.filters import SPANS, Asked, Field, as_uuid, entity_of
from duly.admin.searches import EVERY_ROW, NEWEST_FIRST, Order, Search
from duly.models import ScheduledEvent
from duly.policy.states import EventStatus

COLUMNS = (
    "event_type",
    "key",
    "entity_type",
    "entity_id",
    "service",
    "execution_timezone",
    "status",
    "reason",
    "next_at",
)
SOONEST_FIRST = Order("next_at", is_ascending=True)
STATUSES = [(status.value, status.value) for status in EventStatus]
WITHIN = [(name, f"within a {name}") for name in SPANS]

FIELDS = (
    Field(name="q", label="Search", hint="an id, a key, or an entity as type:id"),
    Field(name="entity", label="Entity", hint="type:id, such as appointment:42"),
    Field(name="type", label="Type", suggested=suggestions.types),
    Field(name="service", label="Service", suggested=suggestions.registered_services),
    Field(name="zone", label="Zone", hint="such as Europe/Berlin"),
    Field(name="status", label="Status", kind="choice", choices=STATUSES),
    Field(name="due", label="Due", kind="choice", choices=WITHIN),
    Field(name="start", label="Due from (UTC)", kind="instant"),
    Field(name="end", label="Due before (UTC)", kind="instant"),
)


def search(using: str, asked: Asked, now: datetime) -> Search:
    """Say which events are wanted, and in the order of which index."""
    rows = ScheduledEvent.objects.using(using).only("id", *COLUMNS)
    order, extra = NEWEST_FIRST, EVERY_ROW
    if text := asked.get("q"):
        rows = rows.filter(by_text(text))
    if text := asked.get("entity"):
        rows = rows.filter(by_entity(text))
    window = _window(asked, now)
    status = asked.get("status")
    if window is not None or status == EventStatus.SCHEDULED:
        rows, order = rows.filter(window or EVERY_ROW, next_at__isnull=False), SOONEST_FIRST
    if status == EventStatus.PAUSED:
        rows = rows.filter(status=status)
    elif status and status != EventStatus.SCHEDULED:
        extra &= Q(status=status)
    others = {"type": "event_type", "service": "service", "zone": "execution_timezone"}
    for name, column in others.items():
        if text := asked.get(name):
            extra &= Q(**{column: text})
    return Search(base=rows, order=order, extra=extra)


def _window(asked: Asked, now: datetime) -> Q | None:
    """Say from when to when events are to be due; None: that does not matter."""
    found = EVERY_ROW
    if start := asked.instant("start"):
        found &= Q(next_at__gte=start)
    if end := asked.instant("end"):
        found &= Q(next_at__lt=end)
    if span := asked.get("due"):
        # What is overdue comes up as well.
        found &= Q(next_at__lt=now + SPANS[span])
    return found or None


def by_text(text: str) -> Q:
    """Say which events a text names: by their id, their entity or their key, each exactly."""
    id_ = as_uuid(text)
    if id_ is not None:
        return Q(pk=id_)
    found = Q(key=text, service__in=suggestions.services_in_use())
    # A key may hold a colon as well.
    return found | by_entity(text) if entity_of(text) else found


def by_entity(text: str) -> Q:
    """Say which events are about an entity, written `type:id`."""
    # What is no entity is nobody's.
    kind, id_ = entity_of(text) or ("", text)
    return Q(entity_type=kind, entity_id=id_) & ~Q(entity_id="")


def _named(row: ScheduledEvent, now: datetime) -> object:
    return cells.row_link(ScheduledEvent, row.pk, f"{row.event_type} {cells.short_id(row.pk)}")


LISTING = Listing(
    intro="What shall happen, by which rule, and when next.",
    fields=FIELDS,
    columns=(
        Column("Event", _named),
        Column("Key", lambda row, now: cells.shortened(row.key or "–")),
        Column("Entity", lambda row, now: cells.entity(row.entity_type, row.entity_id)),
        Column("Service", lambda row, now: row.service),
        Column("Zone", lambda row, now: row.execution_timezone),
        Column("Status", lambda row, now: cells.status(row.status)),
        Column("Next due", lambda row, now: cells.instant(row.next_at, now)),
    ),
    search=search,
    actions=(
        BulkAction(
            name="pause",
            label="Pause",
            permission=permissions.SCHEDULE,
            applies=Q(status="scheduled"),
            perform=verbs.each(verbs.pause),
        ),
        BulkAction(
            name="resume",
            label="Resume",
            permission=permissions.SCHEDULE,
            applies=Q(status="paused"),
            perform=verbs.each(verbs.resume),
        ),
        BulkAction(
            name="cancel",
            label="Cancel",
            permission=permissions.SCHEDULE,
            applies=Q(status__in=["scheduled", "paused"]),
            perform=verbs.each(verbs.cancel),
        ),
    ),
)
