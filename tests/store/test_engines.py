"""Engines are seen as long as they say that they are there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connections
from django.test.utils import CaptureQueriesContext

from duly.models import Engine
from duly.store import engines
from tests.builders import HOLDER, NOW, OTHER_HOLDER

SECOND = timedelta(seconds=1)


def engine(using: str, **fields: Any) -> Engine:
    """Store an engine that has just said that it is there."""
    row = {
        "holder": HOLDER,
        "host": "one",
        "pid": 1,
        "version": "1",
        "tzdata_release": "2026a",
        "started_at": NOW,
        "beat_at": NOW,
        "concurrency": 16,
    }
    found = Engine(**row | fields)
    engines.beat(using, found)
    return found


def test_an_engine_is_alive_until_three_beats_are_missing(database: str) -> None:
    engine(database)

    assert [one.host for one in engines.alive(database, NOW + 30 * SECOND)] == ["one"]
    assert engines.alive(database, NOW + 36 * SECOND) == []
    assert engines.is_firing(database, NOW + 30 * SECOND)
    assert not engines.is_firing(database, NOW + 36 * SECOND)


def test_one_that_stops_is_seen_but_fires_nothing(database: str) -> None:
    engine(database, stopping_at=NOW)

    assert engines.alive(database, NOW)
    assert not engines.is_firing(database, NOW)
    assert engines.lost(database, NOW + 60 * SECOND) == []


def test_one_that_falls_silent_without_a_word_is_lost(database: str) -> None:
    engine(database)

    assert engines.lost(database, NOW) == []
    assert [one.holder for one in engines.lost(database, NOW + 60 * SECOND)] == [HOLDER]


def test_a_beat_is_one_small_update(database: str) -> None:
    one = engine(database)
    one.running, one.beat_at = 3, NOW + SECOND

    with CaptureQueriesContext(connections[database]) as queries:
        engines.beat(database, one)

    told = [query["sql"] for query in queries if "duly_engine" in query["sql"]]
    assert len(told) == 1
    assert "handles" not in told[0]
    assert Engine.objects.using(database).get().running == 3


def test_one_that_was_forgotten_comes_back_with_its_next_beat(database: str) -> None:
    one = engine(database)
    engine(database, holder=OTHER_HOLDER, beat_at=NOW + timedelta(days=1))
    assert engines.forget_dead(database, NOW + timedelta(days=1, seconds=1)) == 1

    one.beat_at = NOW + timedelta(days=2)
    engines.beat(database, one)

    assert Engine.objects.using(database).count() == 2
