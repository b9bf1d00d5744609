"""The lists of occurrences and of dead letters: which index finds what they are narrowed by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from duly.admin import cells, permissions, suggestions, verbs
from duly.admin.bulk import BulkAction
from duly.admin.engine_owned import Column, Listing
from duly.admin.event_list import by_entity, by_text
from duly.admin.filters import SPANS, Asked, Field, as_uuid
from duly.admin.searches import NEWEST_FIRST, Order, Search
from duly.ids import first_id
from duly.models import DeadLetter, Occurrence, ScheduledEvent
from duly.policy.states import LIVE, OccurrenceStatus

COLUMNS = (
    "event_id",
    "event_type",
    "service",
    "zone",
    "status",
    "attempt",
    "due_at",
    "wake_at",
    "started_at",
    "finished_at",
    "reason",
    "error",
)
# Of an entity: more than anybody looks through.
MOST_EVENTS = 200
SOONEST_FIRST = Order("wake_at", is_ascending=True)
LATEST_FIRST = Order("due_at")
STATUSES = [(status.value, status.value) for status in OccurrenceStatus]
BORN = [(name, f"within a {name}") for name in SPANS]

_TYPE = Field(name="type", label="Type", suggested=suggestions.types)
_SERVICE = Field(name="service", label="Service", suggested=suggestions.registered_services)
_ZONE = Field(name="zone", label="Zone", hint="such as Europe/Berlin")
_ENTITY = Field(name="entity", label="Entity", hint="type:id, such as appointment:42")
_SEARCH = Field(
    name="q", label="Search", hint="an id, its event's id or key, or an entity as type:id"
)
_EVENT = Field(name="event", label="Event", kind="id", hint="the id of its event")
FIELDS = (
    _SEARCH,
    _EVENT,
    _ENTITY,
    _TYPE,
    _SERVICE,
    _ZONE,
    Field(name="status", label="Status", kind="choice", choices=STATUSES),
    Field(name="born", label="Taken up", kind="choice", choices=BORN),
    Field(name="start", label="Taken up from (UTC)", kind="instant"),
    Field(name="end", label="Taken up before (UTC)", kind="instant"),
)
DEAD_FIELDS = (
    _SEARCH,
    _EVENT,
    _ENTITY,
    _TYPE,
    _SERVICE,
    _ZONE,
    Field(name="error", label="Error", hint="how its first line begins"),
    Field(name="start", label="Due from (UTC)", kind="instant"),
    Field(name="end", label="Due before (UTC)", kind="instant"),
)


def search(using: str, asked: Asked, now: datetime) -> Search:
    """Say which occurrences are wanted, and in the order of which index."""
    rows: QuerySet[Occurrence, Occurrence] = Occurrence.objects.using(using).only("id", *COLUMNS)
    rows = _of_events(using, rows, asked)
    extra, order = _columns(asked), NEWEST_FIRST
    # An id says when its row was made, and is what the table is ordered by.
    start, end = asked.instant("start"), asked.instant("end")
    if name := asked.get("born"):
        earliest = now - SPANS[name]
        start = max(start, earliest) if start else earliest
    if start:
        rows = rows.filter(pk__gte=first_id(start))
    if end:
        rows = rows.filter(pk__lt=first_id(end))
    status = asked.get("status")
    if status == OccurrenceStatus.DEAD:
        rows, order = rows.filter(status=status), LATEST_FIRST
    elif status in LIVE:
        # Of those that are alive, which an index holds.
        rows, order = rows.filter(wake_at__isnull=False), SOONEST_FIRST
        extra &= Q(status=status)
    elif status:
        extra &= Q(status=status)
    elif event := asked.uuid("event"):
        rows, order = rows.filter(event_id=event), LATEST_FIRST
    return Search(base=rows, order=order, extra=extra)


def search_dead(using: str, asked: Asked, now: datetime) -> Search:
    """Say which dead letters are wanted: of few rows, which an index holds."""
    rows = DeadLetter.objects.using(using).filter(status=OccurrenceStatus.DEAD)
    rows = _of_events(using, rows.only("id", *COLUMNS), asked)
    if start := asked.instant("start"):
        rows = rows.filter(due_at__gte=start)
    if end := asked.instant("end"):
        rows = rows.filter(due_at__lt=end)
    if service := asked.get("service"):
        rows = rows.filter(service=service)
    extra = Q()
    for name, column in (("type", "event_type"), ("zone", "zone")):
        if text := asked.get(name):
            extra &= Q(**{column: text})
    if error := asked.get("error"):
        extra &= Q(error__startswith=error)
    return Search(base=rows, order=LATEST_FIRST, extra=extra)


def _columns(asked: Asked) -> Q:
    extra = Q()
    for name, column in (("type", "event_type"), ("service", "service"), ("zone", "zone")):
        if text := asked.get(name):
            extra &= Q(**{column: text})
    return extra


def _of_events(using: str, rows: Any, asked: Asked) -> Any:
    """Narrow to the occurrences of the events that are asked for, found by their own indexes."""
    if event := asked.uuid("event"):
        rows = rows.filter(event_id=event)
    events = ScheduledEvent.objects.using(using)
    if text := asked.get("entity"):
        ids = events.filter(by_entity(text)).order_by("-id").values_list("id", flat=True)
        rows = rows.filter(event_id__in=list(ids[:MOST_EVENTS]))
    if text := asked.get("q"):
        id_ = as_uuid(text)
        if id_ is not None:
            return rows.filter(Q(pk=id_) | Q(event_id=id_))
        ids = events.filter(by_text(text)).order_by("-id").values_list("id", flat=True)
        rows = rows.filter(event_id__in=list(ids[:MOST_EVENTS]))
    return rows


def _named(row: Occurrence, now: datetime) -> object:
    return cells.row_link(Occurrence, row.pk, f"{row.event_type} {cells.short_id(row.pk)}")


def _of_event(row: Occurrence, now: datetime) -> object:
    return cells.row_link(ScheduledEvent, row.event_id, cells.short_id(row.event_id))


REPLAY = BulkAction(
    name="replay",
    label="Replay the dead",
    permission=permissions.REPLAY,
    # What went well is replayed one by one, on its page.
    applies=Q(status=OccurrenceStatus.DEAD),
    perform=verbs.replay_each,
)
CANCEL = BulkAction(
    name="cancel",
    label="Cancel",
    permission=permissions.SCHEDULE,
    applies=Q(status__in=["pending", "queued"], wake_at__isnull=False),
    perform=verbs.each(verbs.cancel_occurrence),
)
_COMMON = (
    Column("Occurrence", _named),
    Column("Event", _of_event),
    Column("Service", lambda row, now: row.service),
)
LISTING = Listing(
    intro="Each due instant, and what came of it.",
    fields=FIELDS,
    columns=(
        *_COMMON,
        Column("Status", lambda row, now: cells.status(row.status)),
        Column("Due", lambda row, now: cells.instant(row.due_at, now)),
        Column("Attempt", lambda row, now: row.attempt or "–"),
        Column("Next look", lambda row, now: cells.instant(row.wake_at, now)),
        Column("Ended", lambda row, now: cells.instant(row.finished_at)),
        Column("Why", lambda row, now: cells.shortened(row.error or row.reason)),
    ),
    search=search,
    actions=(REPLAY, CANCEL),
)
DEAD_LISTING = Listing(
    intro="Occurrences whose attempts are used up: a person says whether they run again.",
    fields=DEAD_FIELDS,
    columns=(
        *_COMMON,
        Column("Due", lambda row, now: cells.instant(row.due_at, now)),
        Column("Attempts", lambda row, now: row.attempt),
        Column("Died", lambda row, now: cells.instant(row.finished_at, now)),
        Column("Error", lambda row, now: cells.shortened(row.error or row.reason)),
    ),
    search=search_dead,
    actions=(REPLAY,),
)
