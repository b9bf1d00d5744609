"""How deep the queue is, by state, and which breakers do not let through."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from duly.models import Gate
from duly.policy.breaker import BreakerStatus
from duly.store import depth as module
from duly.store.depth import Depth, breakers, depth
from tests.builders import NOW
from tests.store.test_backlog import occurrence


def gate(using: str, name: str, status: str = "closed") -> None:
    Gate.objects.using(using).create(name=name, status=status, updated_at=NOW)


def test_what_lives_is_counted_by_state_and_what_has_ended_is_not(database: str) -> None:
    later = NOW + timedelta(hours=1)
    occurrence(database, "queued", wake_at=NOW)
    occurrence(database, "running", wake_at=later, attempt=1)
    occurrence(database, "running", wake_at=later, attempt=2)
    for wait in (1, 2, 3):
        occurrence(database, "pending", wake_at=NOW + timedelta(days=wait))
    occurrence(database, "dead", finished_at=NOW, attempt=1)
    occurrence(database, "succeeded", finished_at=NOW, attempt=1)

    assert depth(database) == Depth(held=1, running=2, waiting=3)


def test_counting_ends_somewhere(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    for _ in range(3):
        occurrence(database, "queued", wake_at=NOW)

    assert depth(database) == Depth(held=2, running=0, waiting=0)


def test_breakers_are_counted_and_a_few_of_those_that_are_shut_are_named(database: str) -> None:
    gate(database, "service:a")
    gate(database, "service:b", "half_open")
    for name in ("type:x", "type:y", "type:z"):
        gate(database, name, "open")
    gate(database, "key:x:1", "open")

    found = breakers(database, most=2)

    assert found.by_status == Counter(closed=1, half_open=1, open=3)
    assert found.shut == {"service:b": BreakerStatus.HALF_OPEN, "type:x": BreakerStatus.OPEN}


def test_all_of_it_takes_three_statements_at_most(database: str) -> None:
    gate(database, "type:x", "open")
    with CaptureQueriesContext(connections[database]) as statements:
        depth(database)
        breakers(database, most=50)

    assert len(statements) == 3
