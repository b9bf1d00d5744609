"""What people look at is found by an index, however full the tables are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import QuerySet

from duly import sagas, scheduling
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, Saga
from duly.store import facts
from tests import builders
from tests.builders import NOW

ROWS = 3_000
pytestmark = pytest.mark.only_postgres


@pytest.fixture
def full(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database}
    event = builders.stored_event(database)
    rows = [
        Occurrence(
            id=new_id(NOW),
            event=event,
            service="default",
            event_type="reminder",
            payload=None,
            due_at=NOW + number * timedelta(seconds=1),
            wall_time=NOW.replace(tzinfo=None),
            zone="UTC",
            resolution="plain",
            status="dead" if number % 100 == 0 else "succeeded",
            finished_at=NOW,
            created_at=NOW,
        )
        for number in range(ROWS)
    ]
    Occurrence.objects.using(database).bulk_create(rows)
    entries = (facts.entry("due", NOW, row.id if n % 2 else event.id) for n, row in enumerate(rows))
    LedgerEntry.objects.using(database).bulk_create(entries)
    Saga.objects.using(database).bulk_create(
        Saga(
            id=new_id(NOW),
            name="trip",
            service="default" if number % 100 else "other",
            version="1",
            definition={},
            created_at=NOW,
            updated_at=NOW,
        )
        for number in range(ROWS)
    )
    with connections[database].cursor() as cursor:
        cursor.execute("ANALYZE duly_occurrence, duly_ledgerentry, duly_saga")
    return database


def indexes(rows: QuerySet[Any, Any]) -> set[str]:
    """Give the indexes that a query goes by."""
    query, parameters = rows.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", parameters)
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return {node["Index Name"] for node in _nodes(plan[0]["Plan"]) if "Index Name" in node}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def test_dead_letters_are_found_among_all_that_has_ended(full: str) -> None:
    rows = scheduling.dead_letters(service="default", start=NOW)

    assert indexes(rows[:50]) == {"duly_occurrence_dead"}


def test_the_sagas_of_a_service_are_found_among_all(full: str) -> None:
    assert indexes(sagas.list_sagas(service="other")[:10]) == {"duly_saga_service"}


def test_the_ledger_of_an_event_is_found_among_all(full: str) -> None:
    event = LedgerEntry.objects.using(full).order_by("id")[1].event_id
    rows = LedgerEntry.objects.using(full).filter(event_id=event, id__gt=5).order_by("id")

    assert indexes(rows[:50]) == {"duly_ledger_event"}
