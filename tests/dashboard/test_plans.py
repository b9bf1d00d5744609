"""No look of the dashboard goes through a table: each names its index, and uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from duly.ids import first_id, new_id
from duly.models import Occurrence, ScheduledEvent
from duly.store.statements import statement
from tests.builders import NOW, stored_event

ROWS = 3_000
SPAN = timedelta(minutes=1)


@pytest.fixture
def full(database: str) -> str:
    """Thousands of rows, of which a span has a few."""
    event = stored_event(database)
    template = {field.attname: getattr(event, field.attname) for field in event._meta.fields}
    events = [
        ScheduledEvent(**template | {"id": new_id(NOW + n * SPAN), "next_at": NOW + n * SPAN})
        for n in range(ROWS)
    ]
    ScheduledEvent.objects.using(database).bulk_create(events)
    rows = [
        Occurrence(
            id=new_id(NOW + n * SPAN),
            event=one,
            service="default",
            event_type="reminder",
            payload=None,
            due_at=NOW + n * SPAN,
            wall_time=NOW.replace(tzinfo=None),
            zone="UTC",
            resolution="plain",
            status="succeeded",
            finished_at=NOW,
            created_at=NOW,
        )
        for n, one in enumerate(events)
    ]
    Occurrence.objects.using(database).bulk_create(rows)
    with connections[database].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE duly_scheduledevent")
        cursor.execute("VACUUM ANALYZE duly_occurrence")
    return database


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.mark.only_postgres
@pytest.mark.parametrize(
    ("name", "index"),
    [
        pytest.param("load", "duly_event_next_at", id="load"),
        pytest.param("born", "duly_occurrence_pkey", id="born"),
        pytest.param("lateness", "duly_occurrence_pkey", id="lateness"),
    ],
)
def test_a_span_is_a_range_of_an_index(full: str, name: str, index: str) -> None:
    given: dict[str, Any] = {
        "start": NOW,
        "step": SPAN,
        "spans": 60,
        "ids": [first_id(NOW + n * SPAN) for n in range(61)],
        "slices": 4,
        "most": 100,
        "shares": [0.5],
    }
    with connections[full].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement(name)}", given)
        plan = cursor.fetchone()[0]
    found = list(nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))

    assert {node["Index Name"] for node in found if "Index Name" in node} == {index}
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]
