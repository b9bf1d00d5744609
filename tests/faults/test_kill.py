"""`kill -9` at any moment: nothing lost, and one occurrence for each due instant."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import duly
from duly import At, NewEvent
from duly.models import Occurrence
from tests.faults.engines import LEASE_SECONDS, EngineProcesses, eventually

EVENTS = 120
SPREAD_SECONDS = 4.0
KILLS = 6


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def engines(using: str, database_url: str, tmp_path: Path) -> Iterator[EngineProcesses]:
    processes = EngineProcesses(database_url, tmp_path)
    yield processes
    processes.end()


def test_nothing_is_lost_when_engines_are_killed_at_random_moments(
    using: str, engines: EngineProcesses
) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print(f"seed {seed}")
    for _ in range(2):
        engines.start()
    first = datetime.now(UTC) + timedelta(seconds=0.5)
    rules = [
        At.instant(first + timedelta(seconds=dice.uniform(0, SPREAD_SECONDS)))
        for _ in range(EVENTS)
    ]
    stored = duly.schedule_events([NewEvent("probe", rule, payload=0.03) for rule in rules])
    acknowledged = {f"{event.id}:{event.next_at.isoformat()}" for event in stored if event.next_at}

    for _ in range(KILLS):
        time.sleep(dice.uniform(0.1, SPREAD_SECONDS / KILLS))
        engines.kill(dice.choice(engines.running))
        engines.start()

    eventually(
        lambda: {effect["key"] for effect in engines.effects()} >= acknowledged,
        seconds=SPREAD_SECONDS + 10 * LEASE_SECONDS,
        what="an effect of every acknowledged event",
    )
    # An attempt that was killed after its effect runs once more, under the same key.
    eventually(
        lambda: not Occurrence.objects.using(using).filter(wake_at__isnull=False).exists(),
        seconds=10 * LEASE_SECONDS,
        what="an end of every occurrence",
    )
    effects = engines.effects()
    attempts = Counter((effect["key"], effect["attempt"]) for effect in effects)
    assert set(attempts.values()) == {1}, "one attempt had two effects"
    assert {effect["key"] for effect in effects} == acknowledged
    assert min(effect["lateness"] for effect in effects) >= 0
    assert Occurrence.objects.using(using).filter(status="succeeded").count() == EVENTS


def test_an_attempt_that_was_killed_is_taken_over_within_its_lease(
    using: str, engines: EngineProcesses
) -> None:
    victim = engines.start()
    duly.schedule_event("probe", At.instant(datetime.now(UTC)), payload=60)
    eventually(lambda: bool(engines.effects()), 5, "the first effect")
    engines.kill(victim)
    died = time.monotonic()
    engines.start()

    eventually(
        lambda: Occurrence.objects.using(using).filter(status="succeeded").exists(),
        2 * LEASE_SECONDS + 3,
        "the second attempt",
    )

    assert time.monotonic() - died < 2 * LEASE_SECONDS + 3
    assert sorted(effect["attempt"] for effect in engines.effects()) == [1, 2]
