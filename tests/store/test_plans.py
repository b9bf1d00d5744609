"""Each statement that looks for work uses the index that its header names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from duly.ids import new_id
from duly.models import Occurrence, ScheduledEvent
from duly.store.statements import statement
from tests import builders
from tests.builders import HOLDER, LEASE, NOW

ROWS = 3_000
LATER = NOW + timedelta(days=365)


@pytest.fixture
def full_tables(database: str) -> str:
    """Thousands of rows that are not due, and statistics that say so."""
    event = builders.stored_event(database, LATER)
    template = {field.attname: getattr(event, field.attname) for field in event._meta.fields}
    events = [
        ScheduledEvent(**template | {"id": new_id(NOW), "next_at": LATER + timedelta(seconds=n)})
        for n in range(ROWS)
    ]
    ScheduledEvent.objects.using(database).bulk_create(events)
    rows = [
        Occurrence(
            id=new_id(NOW),
            event=one,
            service="default",
            event_type="reminder",
            payload=None,
            due_at=NOW,
            wall_time=NOW.replace(tzinfo=None),
            zone="UTC",
            resolution="plain",
            status="pending",
            wake_at=LATER + timedelta(seconds=number),
            created_at=NOW,
        )
        for number, one in enumerate(events)
    ]
    Occurrence.objects.using(database).bulk_create(rows)
    with connections[database].cursor() as cursor:
        cursor.execute("ANALYZE duly_scheduledevent")
        cursor.execute("ANALYZE duly_occurrence")
    return database


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _plan(using: str, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement(name)}", parameters)
        plan = cursor.fetchone()[0]
    loaded = json.loads(plan) if isinstance(plan, str) else plan
    return list(_nodes(loaded[0]["Plan"]))


@pytest.mark.parametrize(
    ("name", "index"),
    [
        pytest.param("horizon", "duly_event_next_at", id="horizon-of-events"),
        pytest.param("horizon", "duly_occurrence_wake_at", id="horizon-of-occurrences"),
        pytest.param("lock_due", "duly_event_next_at", id="lock_due"),
        pytest.param("lock_urgent", "duly_event_urgent", id="lock_urgent"),
        pytest.param("claim_waking", "duly_occurrence_wake_at", id="claim_waking"),
        pytest.param("zones_in_use", "duly_event_zone", id="zones_in_use"),
    ],
)
def test_work_is_found_by_its_index_and_never_by_reading_the_table(
    full_tables: str, name: str, index: str
) -> None:
    if name == "lock_urgent" and connections[full_tables].vendor != "postgresql":
        pytest.skip("SQLite finds them among those that are due")
    if connections[full_tables].vendor == "postgresql":
        parameters = {"now": NOW, "since": NOW, "until": NOW, "limit": 10}
        parameters |= {"types": ["other"], "services": ["one"], "elsewhere": ["one"]}
        parameters |= {"events_since": NOW, "occurrences_since": NOW}
        nodes = _plan(
            full_tables, name, parameters | {"lease_until": LEASE + NOW, "holder": HOLDER}
        )
        used = {node.get("Index Name") for node in nodes}
        read = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    else:
        used, read = _sqlite_plan(full_tables, index)

    assert index in used
    assert read == []


def test_what_has_died_is_counted_and_listed_without_reading_the_table(full_tables: str) -> None:
    dead = Occurrence.objects.using(full_tables).filter(status="dead")

    told = [dead.order_by().values("pk")[:10].explain(), dead.order_by("due_at", "id").explain()]

    assert ["duly_occurrence_dead" in plan for plan in told] == [True, True]


@pytest.mark.parametrize(
    "name", ["start", "extend", "finish", "finish_one", "keep_handling", "take"]
)
def test_a_batch_is_found_by_its_keys_even_where_statistics_knew_of_none(
    full_tables: str, name: str
) -> None:
    if connections[full_tables].vendor != "postgresql":
        pytest.skip("SQLite's store writes them one by one, by primary key")
    ids = [new_id(NOW) for _ in range(500)]
    lists: dict[str, list[Any]] = {
        "ids": ids,
        "event_ids": ids,
        "due_ats": [NOW] * 500,
        "attempts": [1] * 500,
        "statuses": ["succeeded"] * 500,
        "wake_ats": [None] * 500,
        "errors": [""] * 500,
        "forgiven": [0] * 500,
        "facts": ["succeeded"] * 500,
        "datas": [None] * 500,
        "handlings": ["{}"] * 500,
    }
    one = {"id": ids[0], "attempt": 1, "event_types": ["reminder"], "due_at": NOW, "error": ""}
    one |= {"event_id": ids[0], "status": "succeeded", "fact": "succeeded", "forgiven": 0}
    one |= {"wake_at": None, "data": None}
    given = one if name in ("take", "finish_one") else lists
    parameters = given | {"now": NOW, "lease_until": LEASE + NOW, "holder": HOLDER}

    nodes = _plan(full_tables, name, parameters)

    looks = [
        node
        for node in nodes
        if node.get("Alias", "").startswith("duly_occurrence")
        and node["Node Type"] != "ModifyTable"
    ]
    assert {node["Index Name"] for node in looks} == {"duly_occurrence_pkey"}


def _sqlite_plan(using: str, index: str) -> tuple[set[str | None], list[str]]:
    if index == "duly_event_zone":
        used_pairs = ScheduledEvent.objects.using(using).filter(next_at__isnull=False)
        pairs = used_pairs.values_list("execution_timezone", "tzdata_fingerprint").distinct()
        told = pairs.explain()
    elif index == "duly_event_next_at":
        rows = ScheduledEvent.objects.using(using).filter(next_at__lte=NOW).order_by("next_at")
        told = rows.explain()
    else:
        waking = Occurrence.objects.using(using).filter(wake_at__lte=NOW).order_by("wake_at")
        told = waking.explain()
    used = {word for line in told.splitlines() for word in line.split()}
    return {*used}, [line for line in told.splitlines() if "SCAN" in line and "INDEX" not in line]
