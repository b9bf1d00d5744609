"""Pruning sagas: what ended goes with its steps and facts, and what may yet move stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import duly
from duly import SagaBuilder, clock, definitions
from duly.models import LedgerEntry, Saga
from duly.models.saga import SagaStep
from duly.store import retention, seals
from duly.store.prune import Pruned, Terms, total
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW

pytestmark = pytest.mark.also_partitioned
DAY = timedelta(days=1)


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}

    def trip(saga: SagaBuilder) -> None:
        saga.wait_for("consent", deadline=DAY)

    duly.saga("trip")(trip)
    previous = clock.use(ManualClock(NOW))
    yield database
    clock.use(previous)
    definitions.forget("trip")


def pruned(using: str, *, dead: bool = False, dry_run: bool = False) -> Pruned:
    while seals.seal(using, NOW + DAY):
        pass
    terms = Terms(NOW + DAY, dead)
    later = NOW + 2 * DAY
    return total(retention.prune(using, terms, later, actor="test", dry_run=dry_run))


def test_a_saga_that_has_ended_goes_with_its_steps_and_facts(using: str) -> None:
    over, open_ = duly.start_saga("trip"), duly.start_saga("trip")
    duly.signal_saga(over.id, "consent")

    assert pruned(using, dry_run=True).sagas == 1
    assert pruned(using).sagas == 1

    assert list(Saga.objects.using(using)) == [open_]
    assert set(SagaStep.objects.using(using).values_list("saga", flat=True)) == {open_.id}
    assert list(seals.verify_seals(using)) == []


def test_its_facts_go_with_it(using: str) -> None:
    saga = duly.start_saga("trip")
    duly.cancel_saga(saga.id)

    pruned(using)

    assert not LedgerEntry.objects.using(using).filter(event_id=saga.id).exists()


def test_a_saga_of_which_a_step_died_stays_until_the_dead_go(using: str) -> None:
    saga = duly.start_saga("trip")
    duly.cancel_saga(saga.id)
    SagaStep.objects.using(using).filter(saga=saga, direction="forward").update(status="failed")

    assert pruned(using).sagas == 0
    assert pruned(using, dead=True).sagas == 1


def test_a_failed_saga_stays(using: str) -> None:
    saga = duly.start_saga("trip")
    Saga.objects.using(using).filter(id=saga.id).update(status="failed")

    assert pruned(using, dead=True).sagas == 0
