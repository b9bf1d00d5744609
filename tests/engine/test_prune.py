"""Engines delete what ended longer ago than is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly.engine import prune as engine_prune
from duly.models import LedgerEntry, Occurrence
from duly.store import partitioning, seals, stamps
from duly.store.backends import open_store
from tests import builders
from tests.engine.conftest import Signals

Start = Callable[..., Any]
DAY = timedelta(days=1)


def ended(using: str, at: datetime) -> None:
    store = open_store(using)
    builders.stored_event(using, at)
    (claim,) = builders.claim(store, at)
    builders.start(store, [claim], at)
    store.finish([builders.succeeded(claim)], now=at)


def test_an_engine_deletes_what_is_kept_no_longer(
    using: str, start_engine: Start, signals: Signals
) -> None:
    now = datetime.now(UTC)
    ended(using, now - 10 * DAY)
    ended(using, now - 2 * DAY)
    while seals.seal(using, now):
        pass

    start_engine(retention=5 * DAY)

    told = signals.wait("history.pruned")
    assert told == {"occurrences": 1, "events": 1, "entries": 3, "sagas": 0}
    assert Occurrence.objects.using(using).count() == 1
    assert LedgerEntry.objects.using(using).filter(fact="pruned", actor="engine").count() == 1


def test_of_many_engines_one_prunes(using: str, start_engine: Start, signals: Signals) -> None:
    now = datetime.now(UTC)
    stamps.write(using, stamps.PRUNED, {"at": now.isoformat()}, now)
    ended(using, now - 10 * DAY)
    while seals.seal(using, now):
        pass

    engine = start_engine(retention=5 * DAY)
    signals.wait("engine.started")
    engine.stop()

    assert not signals.counts["history.pruned"]
    assert Occurrence.objects.using(using).exists()
    assert timedelta(hours=1) < engine_prune.EVERY < DAY


def test_an_engine_that_is_told_no_retention_deletes_nothing(
    using: str, start_engine: Start, signals: Signals
) -> None:
    ended(using, datetime.now(UTC) - 1000 * DAY)

    engine = start_engine()
    signals.wait("engine.started")
    engine.stop()

    assert Occurrence.objects.using(using).exists()
    assert stamps.read(using, stamps.PRUNED) is None


def test_an_engine_makes_the_partitions_of_the_months_to_come(
    flat_copy: str, using: str, settings: Any, start_engine: Start, signals: Signals
) -> None:
    if using != "postgres":
        pytest.skip("only PostgreSQL has partitions")
    settings.DULY = {"DATABASE": "postgres", "STRICT": False}
    now = datetime.now(UTC)
    partitioning.divide("postgres", now - 31 * DAY)

    start_engine()

    made = signals.wait("partitions.made")["names"]
    assert {name.rpartition("_20")[0] for name in made} == {"duly_occurrence", "duly_ledgerentry"}


def test_history_is_dropped_by_the_month_where_there_are_months(
    flat_copy: str, using: str, settings: Any, start_engine: Start, signals: Signals
) -> None:
    if using != "postgres":
        pytest.skip("only PostgreSQL has partitions")
    settings.DULY = {"DATABASE": "postgres", "STRICT": False}
    now = datetime.now(UTC)
    partitioning.divide("postgres", now - 100 * DAY)
    ended("postgres", now - 100 * DAY)
    while seals.seal("postgres", now):
        pass

    start_engine(retention=40 * DAY)

    told = signals.wait("history.pruned")
    assert told == {"occurrences": 1, "events": 1, "entries": 3, "sagas": 0}
