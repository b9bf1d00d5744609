"""What waits is counted, and found by indexes however much does not wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from duly.models import Occurrence
from duly.store import backlog as module
from duly.store.backlog import Backlog, backlog
from tests import builders
from tests.builders import NOW

MINUTE = timedelta(minutes=1)


def occurrence(using: str, status: str, **fields: object) -> None:
    """Store an occurrence of an event of its own, which has ended or waits."""
    event = builders.stored_event(using, status="finished", next_at=None, next_wall_time=None)
    row = {
        "id": event.id,
        "event": event,
        "service": "default",
        "event_type": "reminder",
        "payload": None,
        "due_at": NOW,
        "wall_time": NOW.replace(tzinfo=None),
        "zone": "UTC",
        "resolution": "plain",
        "status": status,
        "created_at": NOW,
    }
    Occurrence.objects.using(using).create(**(row | fields))


def test_nothing_waits_where_there_is_nothing(database: str) -> None:
    assert backlog(database, NOW) == Backlog(0, 0, timedelta(0), 0)


def test_events_and_occurrences_that_are_due_are_counted(database: str) -> None:
    builders.stored_event(database, NOW - 3 * MINUTE)
    builders.stored_event(database, NOW - MINUTE / 2)
    builders.stored_event(database, NOW + MINUTE)
    occurrence(database, "pending", wake_at=NOW - 2 * MINUTE)
    occurrence(database, "pending", wake_at=NOW + MINUTE)

    found = backlog(database, NOW)

    assert (found.due, found.overdue, found.oldest) == (3, 2, 3 * MINUTE)


def test_the_dead_are_counted_and_wait_for_nobody(database: str) -> None:
    occurrence(database, "dead", finished_at=NOW)
    occurrence(database, "succeeded", finished_at=NOW)

    assert backlog(database, NOW) == Backlog(0, 0, timedelta(0), 1)


def test_counting_ends_where_nobody_needs_to_know(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    for _ in range(5):
        builders.stored_event(database, NOW - 2 * MINUTE)
        occurrence(database, "dead", finished_at=NOW)

    found = backlog(database, NOW)

    assert (found.due, found.overdue, found.dead) == (2, 2, 2)
