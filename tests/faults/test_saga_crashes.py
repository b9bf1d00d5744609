"""A saga whose process dies at each of its transitions ends as if none had."""

from __future__ import annotations

import importlib
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import duly
from duly import registry
from duly.models import Occurrence, Saga, ScheduledEvent
from duly.store.verify import Verified, verify
from tests.faults.engines import LEASE_SECONDS, EngineProcesses, eventually
from tests.faults.saga_world import STEPS, World

ENDS = {
    "nothing": "completed",
    "perform": "compensated",
    "patient": "compensated",
    "consent": "compensated",
}

LIVES = 6
SAGAS = 24
KILLS = 5


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database}
    return database


def check(using: str, world: World, saga: Saga, dying: str) -> None:
    """A saga's promises, from what its handlers did and what the tables say."""
    assert saga.status == ENDS[dying]
    first: dict[str, int] = {}
    keys: dict[str, set[str]] = {}
    for place, effect in enumerate(world.effects):
        first.setdefault(effect.name, place)
        keys.setdefault(effect.name, set()).add(effect.key)
    attempts = [(effect.key, effect.attempt) for effect in world.effects]
    assert len(attempts) == len(set(attempts)), "one attempt had two effects"
    assert all(len(found) == 1 for found in keys.values()), "one step had two keys"
    forward = dict(saga.steps.filter(direction="forward").values_list("name", "status"))
    succeeded = [name for name in STEPS if forward[name] == "succeeded"]
    assert set(succeeded) <= set(first), "a step is done that had no effect"
    undone = {name.removeprefix("undo_") for name in first if name.startswith("undo_")}
    assert undone <= set(first), "a step was compensated that never ran"
    assert undone == (set() if saga.status == "completed" else set(succeeded))
    # Those of the group in the middle are undone side by side.
    order = [first[f"undo_{name}"] for name in ("perform", "patient", "reserve") if name in undone]
    assert order == sorted(order), "not in reverse"
    assert {name: saga.context.get(name) for name in succeeded} == dict.fromkeys(succeeded, "done")
    assert not ScheduledEvent.objects.using(using).filter(status="scheduled").exists()
    assert not Occurrence.objects.using(using).filter(wake_at__isnull=False).exists()
    assert list(verify(using, Verified())) == []


def play(using: str, dying: str, crashes: list[int]) -> World:
    world = World(using, dying, crashes)
    try:
        check(using, world, world.play(), dying)
    except AssertionError as error:
        raise AssertionError(f"dead at points {crashes}: {error}") from error
    return world


@pytest.mark.campaign
@pytest.mark.parametrize("dying", ENDS)
def test_a_saga_keeps_its_promises_at_whichever_point_its_process_dies(
    using: str, dying: str
) -> None:
    calm = play(using, dying, [])
    assert calm.points > 50

    for point in range(1, calm.points + 1):
        play(using, dying, [point])
    print(f"{dying}: killed at each of {calm.points} points")


@pytest.mark.parametrize("dying", ENDS)
def test_a_saga_keeps_its_promises_though_its_processes_die_again_and_again(
    using: str, dying: str
) -> None:
    points = play(using, dying, []).points
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print(f"seed {seed}")

    for _ in range(LIVES):
        # No more than a step has attempts.
        play(using, dying, sorted(dice.sample(range(1, points), dice.randint(1, 4))))


def test_many_sagas_keep_their_promises_while_engines_are_killed(
    using: str, database_url: str, settings: Any, tmp_path: Path
) -> None:
    settings.DULY = {"DATABASE": using, "STRICT": False}
    probe = importlib.import_module("tests.faults.saga_probe")
    for name in probe.STEPS:
        # They are the other processes' to run.
        registry.unregister(name)
        registry.unregister(f"undo_{name}")
    dice = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    engines = EngineProcesses(database_url, tmp_path, "tests.faults.saga_probe")
    try:
        for _ in range(2):
            engines.start()
        dying = ["nothing", "perform", "patient"]
        sagas = [
            duly.start_saga("operation", context={"dying": dying[at % 3]}) for at in range(SAGAS)
        ]
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 0.8))
            engines.kill(dice.choice(engines.running))
            engines.start()
        ended = Saga.objects.using(using).filter(status__in=("completed", "compensated"))
        eventually(lambda: ended.count() == SAGAS, 20 * LEASE_SECONDS, "an end of every saga")
    finally:
        engines.end()

    assert "deadlock" not in (tmp_path / "engines.log").read_text()
    effects: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for effect in engines.effects():
        effects[effect["saga"]][effect["name"]].append(effect)
    for started in sagas:
        saga, did = duly.find_saga(started.id), effects[str(started.id)]
        assert saga.status == ("completed" if saga.context["dying"] == "nothing" else "compensated")
        assert all(len({one["key"] for one in some}) == 1 for some in did.values())
        done = set(saga.steps.filter(status="succeeded", direction="forward").values_list("name"))
        succeeded = {name for (name,) in done}
        assert succeeded <= set(did)
        undone = {name.removeprefix("undo_") for name in did if name.startswith("undo_")}
        assert undone == (set() if saga.status == "completed" else succeeded - {"perform"})
    assert list(verify(using, Verified())) == []
