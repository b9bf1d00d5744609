"""Sagas that are moved from all sides at once: nobody waits for ever, and all come to an end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

import duly
from duly import Retry, SagaBuilder, definitions
from duly.models import Occurrence, Saga, ScheduledEvent
from duly.store.verify import Verified, verify
from tests.engine.conftest import Signals, handle, signals, start_engine, using

__all__ = ["handle", "signals", "start_engine", "using"]
SAGAS = 40
GROUP = ("one", "two", "three", "four")
QUICK = Retry(attempts=3, base=timedelta(milliseconds=20), cap=timedelta(milliseconds=20))
SECONDS = 60


@pytest.fixture
def crowd(handle: Callable[..., None]) -> Iterator[dict[str, set[str]]]:
    """Sagas of a wide group, whose steps fail now and then; gives what was done, by saga."""
    did: dict[str, set[str]] = {}

    def act(occurrence: duly.Occurrence) -> None:
        did.setdefault(occurrence.payload["saga"], set()).add(occurrence.event_type)
        is_undo = occurrence.event_type.startswith("undo")
        if not is_undo and random.random() < 0.3:
            raise ValueError("no")

    def define(saga: SagaBuilder) -> None:
        with saga.parallel():
            for name in GROUP:
                saga.step(name, compensate=f"undo_{name}", timeout=timedelta(seconds=30))
            saga.wait_for("consent", deadline=timedelta(seconds=2))

    for name in GROUP:
        handle(name, act, retry=QUICK)
        handle(f"undo_{name}", act, retry=QUICK)
    definitions.forget("crowd")
    duly.saga("crowd")(define)
    yield did
    definitions.forget("crowd")


def test_engines_and_people_move_the_same_sagas_at_once(
    using: str,
    start_engine: Callable[..., Any],
    signals: Signals,
    crowd: dict[str, set[str]],
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    for _ in range(2):
        start_engine()
    ids = [duly.start_saga("crowd", entity=("visit", at)).id for at in range(SAGAS)]
    problems: list[str] = []
    people = [
        threading.Thread(target=_meddle, args=(using, ids, random.Random(seed + at), problems))
        for at in range(3)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    end = time.monotonic() + SECONDS
    open_ = Saga.objects.using(using).exclude(status__in=("completed", "compensated", "cancelled"))
    while open_.exists() and time.monotonic() < end:
        signals.wait("saga.moved", signals.counts["saga.moved"], 1)
        time.sleep(0.05)

    assert problems == []
    assert signals.counts["engine.faulted"] == 0, signals.fields.get("engine.faulted")
    assert list(open_.values_list("status", "reason")) == []
    for saga in Saga.objects.using(using):
        steps = saga.steps.filter(direction="forward", name__in=GROUP)
        succeeded = set(steps.filter(status="succeeded").values_list("name", flat=True))
        did = crowd.get(str(saga.id), set())
        undone = {name.removeprefix("undo_") for name in did if name.startswith("undo")}
        assert undone == (set() if saga.status == "completed" else succeeded)
    assert not ScheduledEvent.objects.using(using).filter(status="scheduled").exists()
    assert not Occurrence.objects.using(using).filter(wake_at__isnull=False).exists()
    assert list(verify(using, Verified())) == []


def _meddle(using: str, ids: list[UUID], dice: random.Random, problems: list[str]) -> None:
    """Signal, cancel, and cancel steps by hand, as they come."""
    try:
        for place, id_ in enumerate(dice.sample(ids, len(ids))):
            kind = dice.choice(["signal", "signal", "signal", "cancel", "entity", "event", "none"])
            try:
                if kind == "signal":
                    duly.signal_saga(id_, "consent", place)
                elif kind == "cancel":
                    duly.cancel_saga(id_)
                elif kind == "entity":
                    duly.cancel_entity_events("visit", ids.index(id_))
                elif kind == "event":
                    steps = Saga.objects.using(using).get(id=id_).steps
                    event_id = steps.filter(direction="forward", name=dice.choice(GROUP)).get()
                    if event_id.event_id:
                        duly.cancel_event(event_id.event_id)
            except duly.DulyError:
                pass  # Somebody was there before.
            time.sleep(dice.uniform(0, 0.02))
    except Exception as error:
        problems.append(repr(error))
    finally:
        connections.close_all()
