"""Each list, filter and search reads by an index, or no more than a look is long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from duly.admin import searches
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from tests.admin.pages import list_of, page_of
from tests.builders import NOW, stored_event

ROWS = 10_000
SERVICES, TYPES, ENTITIES = 5, 40, 3_000
TABLES = ("duly_scheduledevent", "duly_occurrence", "duly_ledgerentry")


@pytest.fixture
def crowded(admin: Client, using: str, monkeypatch: pytest.MonkeyPatch) -> ScheduledEvent:
    """Ten thousand rows of each kind, and statistics that say so; gives an event."""
    # As small a part of these as a look is of a large table.
    monkeypatch.setattr(searches, "LOOKED_AT", 200)
    event = stored_event(using, NOW + timedelta(days=1))
    fields = {one.attname: getattr(event, one.attname) for one in ScheduledEvent._meta.fields}
    made = [NOW - timedelta(seconds=ROWS - number) for number in range(ROWS)]
    events = [
        ScheduledEvent(
            **fields
            | {
                "id": new_id(at),
                "key": f"k{number}",
                "service": f"s{number % SERVICES}",
                "event_type": f"t{number % TYPES}",
                "entity_type": "visit",
                "entity_id": str(number % ENTITIES),
                "next_at": NOW + timedelta(seconds=number),
            }
        )
        for number, at in enumerate(made)
    ]
    for one in events[: ROWS // 2]:
        one.status, one.next_at, one.next_wall_time = "finished", None, None
    events[7].status = "paused"
    ScheduledEvent.objects.using(using).bulk_create(events)
    Occurrence.objects.using(using).bulk_create(
        _occurrence(one, at) for one, at in zip(events, made, strict=True)
    )
    LedgerEntry.objects.using(using).bulk_create(
        LedgerEntry(at=at, event_id=one.pk, fact="due", actor="engine")
        for one, at in zip(events, made, strict=True)
    )
    with connections[using].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ANALYZE {table}")
    return events[-1]


def _occurrence(event: ScheduledEvent, at: Any) -> Occurrence:
    number = int(str(event.key)[1:])
    status = "dead" if number % 100 == 0 else "pending" if number % 100 == 1 else "succeeded"
    is_live = status == "pending"
    return Occurrence(
        id=new_id(at),
        event=event,
        service=event.service,
        event_type=event.event_type,
        payload=None,
        due_at=at,
        wall_time=at.replace(tzinfo=None),
        zone="UTC",
        resolution="plain",
        status=status,
        error="ValueError: x" if status == "dead" else "",
        wake_at=at if is_live else None,
        finished_at=None if is_live else at,
        created_at=at,
    )


ADDRESSES = [
    ("scheduledevent", ""),
    ("scheduledevent", "q=k17"),
    ("scheduledevent", "q=visit:17"),
    ("scheduledevent", "entity=visit:17&status=finished"),
    ("scheduledevent", "type=t3"),
    ("scheduledevent", "type=nothing"),
    ("scheduledevent", "service=s3"),
    ("scheduledevent", "service=nobody&zone=Nowhere/At_all"),
    ("scheduledevent", "zone=Europe/Berlin"),
    ("scheduledevent", "status=scheduled"),
    ("scheduledevent", "status=paused"),
    ("scheduledevent", "status=cancelled"),
    ("scheduledevent", "due=hour&type=t3"),
    ("occurrence", ""),
    ("occurrence", "q=visit:17"),
    ("occurrence", "q=k17"),
    ("occurrence", "status=pending"),
    ("occurrence", "status=dead"),
    ("occurrence", "status=skipped&type=nothing"),
    ("occurrence", "zone=Nowhere/At_all"),
    ("occurrence", "born=hour&status=succeeded"),
    ("deadletter", ""),
    ("deadletter", "service=s0"),
    ("deadletter", "error=ValueError&type=t0"),
    ("ledgerentry", ""),
    ("ledgerentry", "fact=nothing"),
    ("ledgerentry", "actor=nobody&at=hour"),
]


@pytest.mark.only_postgres
def test_no_list_filter_or_search_reads_a_whole_table(
    admin: Client, using: str, crowded: ScheduledEvent
) -> None:
    addresses = [list_of(*one) for one in ADDRESSES]
    addresses += [
        list_of("scheduledevent", f"q={crowded.pk}"),
        list_of("occurrence", f"event={crowded.pk}"),
        list_of("ledgerentry", f"event={crowded.pk}"),
        page_of(crowded),
        page_of(Occurrence.objects.using(using).order_by("-id")[0]),
    ]
    read = {}
    for address in addresses:
        with CaptureQueriesContext(connections[using]) as queries:
            assert admin.get(address).status_code == 200
        for query in queries.captured_queries:
            if any(table in query["sql"] for table in TABLES):
                whole = [
                    node["Relation Name"]
                    for node in _plan(using, query["sql"])
                    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in TABLES
                ]
                if whole:
                    read[address] = (whole, query["sql"])

    assert read == {}


MEANT = {
    ("scheduledevent", "q=k17"): "duly_event_key_unique",
    ("scheduledevent", "entity=visit:17"): "duly_event_entity",
    ("scheduledevent", "status=scheduled"): "duly_event_next_at",
    ("scheduledevent", "status=paused"): "duly_event_paused",
    ("scheduledevent", ""): "duly_scheduledevent_pkey",
    ("scheduledevent", "type=nothing"): "duly_scheduledevent_pkey",
    ("occurrence", "status=pending"): "duly_occurrence_wake_at",
    ("occurrence", "q=visit:17"): "duly_occurrence_unique",
    ("deadletter", ""): "duly_occurrence_dead",
    ("ledgerentry", "fact=nothing"): "duly_ledgerentry_pkey",
}


@pytest.mark.only_postgres
def test_a_list_is_read_by_the_index_that_is_meant_for_it(
    admin: Client, using: str, crowded: ScheduledEvent
) -> None:
    others = {}
    for address, index in MEANT.items():
        with CaptureQueriesContext(connections[using]) as queries:
            admin.get(list_of(*address))
        used = {
            node.get("Index Name")
            for query in queries.captured_queries
            if any(table in query["sql"] for table in TABLES)
            for node in _plan(using, query["sql"])
        }
        if index not in used:
            others[address] = used

    assert others == {}


def _plan(using: str, sql: str) -> list[dict[str, Any]]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql.replace('%', '%%')}", [])
        plan = cursor.fetchone()[0]
    loaded = json.loads(plan) if isinstance(plan, str) else plan
    return list(_nodes(loaded[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
