"""The ledger in the admin: every fact, in plain words, the newest first."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from duly.admin import cells
from duly.admin.engine_owned import Column, EngineOwned, Listing
from duly.admin.filters import SPANS, Asked, Field
from duly.admin.searches import Search
from duly.models import LedgerEntry, Occurrence, Saga, ScheduledEvent
from duly.store import ledger
from duly.store.facts import THE_LEDGER
from duly.store.seals import written_since, written_until

FIELDS = (
    Field(name="event", label="Event or saga", kind="id", hint="its id"),
    Field(name="occurrence", label="Occurrence", kind="id", hint="its id"),
    Field(name="fact", label="Fact", hint="such as died, paused, noted"),
    Field(name="actor", label="Actor", hint="such as admin:ann, exactly"),
    Field(
        name="at",
        label="Written",
        kind="choice",
        choices=[(name, f"within a {name}") for name in SPANS],
    ),
    Field(name="start", label="Written from (UTC)", kind="instant"),
    Field(name="end", label="Written before (UTC)", kind="instant"),
)


def search(using: str, asked: Asked, now: datetime) -> Search:
    """Say which facts are wanted; those of an event are found by an index, a time by the seals."""
    rows, extra = LedgerEntry.objects.using(using), Q()
    if event := asked.uuid("event"):
        rows = rows.filter(event_id=event)
    if occurrence := asked.uuid("occurrence"):
        # By its event, which is indexed; an occurrence on its own is not.
        of = (
            Occurrence.objects.using(using).filter(pk=occurrence).values_list("event_id", flat=True)
        )
        rows = rows.filter(event_id__in=list(of))
        extra &= Q(occurrence_id=occurrence)
    start, end = asked.instant("start"), asked.instant("end")
    if span := asked.get("at"):
        earliest = now - SPANS[span]
        start = max(start, earliest) if start else earliest
    if start:
        rows = rows.filter(pk__gt=written_since(using, start))
        extra &= Q(at__gte=start)
    if end:
        if last := written_until(using, end):
            rows = rows.filter(pk__lte=last)
        extra &= Q(at__lt=end)
    for name in ("fact", "actor"):
        if text := asked.get(name):
            extra &= Q(**{name: text})
    return Search(base=rows, extra=extra)


def _about(row: LedgerEntry, now: datetime) -> object:
    if row.event_id == THE_LEDGER:
        return "–"
    kind = Saga if row.fact.startswith("saga_") else ScheduledEvent
    return cells.row_link(kind, row.event_id, cells.short_id(row.event_id))


def _occurrence(row: LedgerEntry, now: datetime) -> object:
    id_ = row.occurrence_id
    return cells.row_link(Occurrence, id_, cells.short_id(id_)) if id_ else "–"


class LedgerAdmin(EngineOwned):
    """The ledger; what is about one event stands on the event's page as well."""

    listing = Listing(
        intro="Every fact, only ever added to.",
        fields=FIELDS,
        columns=(
            Column("What happened", lambda row, now: ledger.line(row)),
            Column("Event or saga", _about),
            Column("Occurrence", _occurrence),
            Column("Actor", lambda row, now: row.actor),
        ),
        search=search,
    )
    key_kind = "int"
    page_template = "admin/duly/ledger_entry.html"
