"""What a message names is begun once, and only where nothing hinders it; on each database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duly.models import LedgerEntry, Occurrence
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.rows import Advance, Birth, Claim
from tests import builders
from tests.builders import HOLDER, LEASE, NOW, OTHER_HOLDER

pytestmark = pytest.mark.also_partitioned


@pytest.fixture
def store(database: str) -> Store:
    return open_store(database)


def take(
    store: Store, id_: UUID, attempt: int, *event_types: str, now: datetime = NOW
) -> Claim | None:
    return store.take(
        id_,
        attempt,
        event_types=frozenset(event_types or ("reminder",)),
        now=now,
        lease_until=now + LEASE,
        holder=OTHER_HOLDER,
    )


def test_it_begins_the_attempt_and_gives_the_claim(store: Store) -> None:
    builders.stored_event(
        store.using,
        payload={"text": 'quoted "\\ ü'},
        key="k",
        user_timezone="Asia/Tokyo",
        handling={"timeout": 5.0},
        entity_type="appointment",
        entity_id="42",
    )
    (claim,) = builders.claim(store)

    assert take(store, claim.id, 1) == claim

    occurrence = builders.only_occurrence(store.using)
    assert (occurrence.status, occurrence.attempt) == ("running", 1)
    assert (occurrence.holder, occurrence.wake_at) == (OTHER_HOLDER, NOW + LEASE)
    assert builders.ledger_facts(store.using) == ["due", "started"]


def test_the_ledger_names_who_began_an_attempt_in_whichever_way_it_began(store: Store) -> None:
    at_birth = builders.stored_event(store.using)
    builders.claim(store, advance=lambda event: Advance(None, birth=Birth.RUNNING))
    started = builders.stored_event(store.using)
    builders.start(store, builders.claim(store))
    taken = builders.stored_event(store.using)
    (claim,) = builders.claim(store)
    take(store, claim.id, 1)

    told = LedgerEntry.objects.using(store.using).filter(fact="started")

    assert {entry.event_id: entry.data for entry in told} == {
        at_birth.id: {"holder": str(HOLDER)},
        started.id: {"holder": str(HOLDER)},
        taken.id: {"holder": str(OTHER_HOLDER)},
    }


@pytest.mark.parametrize("attempt", [0, 1, 2])
def test_what_has_begun_is_not_taken_again(store: Store, attempt: int) -> None:
    claim = builders.running(store)

    assert take(store, claim.id, attempt) is None
    assert store.find_queued(claim.id, attempt) is None
    assert builders.ledger_facts(store.using) == ["due", "started"]


def test_a_later_attempt_is_taken_when_it_is_queued_again(store: Store) -> None:
    claim = builders.running(store)
    store.finish([builders.retried(claim, NOW)], now=NOW)
    (again,) = builders.claim_again(store, NOW)

    assert take(store, claim.id, 1) is None
    found = take(store, claim.id, 2)
    assert found is not None
    assert (found.attempt, found.due_at) == (again.attempt, NOW)


@pytest.mark.parametrize(
    ("changes", "event_types"),
    [
        pytest.param({}, ("other",), id="nobody-handles-it-here"),
        pytest.param({"expires_at": NOW - timedelta(seconds=1)}, (), id="it-is-too-late"),
        pytest.param({"handling": {"overlap": "skip"}}, (), id="it-must-not-overlap"),
    ],
)
def test_what_is_hindered_stays_queued_and_can_be_looked_at(
    store: Store, changes: dict[str, Any], event_types: tuple[str, ...]
) -> None:
    builders.stored_event(store.using)
    (claim,) = builders.claim(store)
    Occurrence.objects.using(store.using).update(**changes)

    assert take(store, claim.id, 1, *event_types) is None

    found = store.find_queued(claim.id, 1)
    assert found is not None
    assert (found.id, found.attempt, found.payload) == (claim.id, 0, claim.payload)
    assert builders.only_occurrence(store.using).status == "queued"


def test_what_does_not_exist_is_not_taken(store: Store) -> None:
    assert take(store, uuid4(), 1) is None
    assert store.find_queued(uuid4(), 1) is None
