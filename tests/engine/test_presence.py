"""An engine says in the database that it is there, and how it does."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from duly import __version__
from duly.civil import zones
from duly.engine import presence
from duly.models import Engine
from duly.store import engines
from tests.engine.conftest import Signals
from tests.store.test_engines import engine as stored_engine

Start = Callable[..., Any]


def test_an_engine_is_seen_from_its_first_look_on(
    using: str, start_engine: Start, signals: Signals, handle: Callable[..., Any]
) -> None:
    handle("remind", lambda occurrence: None)
    running = start_engine(concurrency=3)
    signals.wait("engine.beat")

    (row,) = engines.alive(using, datetime.now(UTC))

    assert (row.holder, row.pid) == (running.options.holder, os.getpid())
    assert (row.version, row.concurrency, row.running) == (__version__, 3, 0)
    assert row.tzdata_release == zones.current().release
    assert "remind" in row.handles
    assert abs(row.clock_offset) < 1
    assert row.stopping_at is None


def test_it_beats_as_long_as_it_runs_however_seldom_it_polls(
    using: str, start_engine: Start, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr("duly.engine.loop.BEAT_SECONDS", 0.01)

    start_engine(poll_seconds=3600.0)

    signals.wait("engine.beat", 3)
    row = Engine.objects.using(using).get()
    assert row.beat_at > row.started_at


def test_one_that_stopped_says_so(using: str, start_engine: Start, signals: Signals) -> None:
    running = start_engine()
    signals.wait("engine.beat")

    running.stop()

    assert Engine.objects.using(using).get().stopping_at is not None
    assert not engines.is_firing(using, datetime.now(UTC))


def test_one_that_cannot_say_so_fires_all_the_same(
    using: str, start_engine: Start, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise DatabaseError("no such table: duly_engine")

    monkeypatch.setattr(engines, "beat", refuse)

    start_engine()

    signals.wait("engine.faulted presence")
    assert signals.counts["engine.faulted loop"] == 0


def test_the_dead_of_yesterday_are_forgotten(
    using: str, start_engine: Start, signals: Signals
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    stored_engine(using, beat_at=long_ago, started_at=long_ago)

    start_engine()
    signals.wait("engines.forgotten")

    assert not Engine.objects.using(using).filter(beat_at=long_ago).exists()
