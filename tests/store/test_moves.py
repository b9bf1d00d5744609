"""Deriving events anew, on each database: which are taken, in what order, and by whom."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections, transaction

from duly.models import LedgerEntry, ScheduledEvent
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.rows import Advance, Rederived, StaleEvent, ZoneInUse
from tests import builders
from tests.builders import NOW, stored_event

pytestmark = pytest.mark.also_partitioned
HOUR = timedelta(hours=1)
OLD = ZoneInUse("UTC", "old")


@pytest.fixture
def store(database: str) -> Store:
    return open_store(database)


def an_hour_later(event: StaleEvent) -> Advance:
    return Advance(replace(event.due, at=event.due.at + HOUR), "new")


def as_it_was(event: StaleEvent) -> Advance:
    return Advance(event.due, "new")


def take(store: Store, **options: object) -> list[Rederived]:
    settings = {"now": NOW, "until": None, "limit": 100, "derive": an_hour_later, "reason": "why"}
    return store.rederive(OLD, **(settings | options))  # type: ignore[arg-type]


def test_each_zone_in_use_is_given_once_for_each_data_it_follows(store: Store) -> None:
    for fingerprint in ("a", "a", "b"):
        stored_event(store.using, tzdata_fingerprint=fingerprint)
    stored_event(store.using, tzdata_fingerprint="a", execution_timezone="Asia/Tokyo")
    stored_event(
        store.using, tzdata_fingerprint="x", next_at=None, next_wall_time=None, status="paused"
    )

    found = {(used.zone, used.fingerprint) for used in store.zones_in_use()}

    assert found == {("UTC", "a"), ("UTC", "b"), ("Asia/Tokyo", "a")}
    assert len(store.zones_in_use()) == 3


def test_the_soonest_are_taken_first_and_no_more_than_asked_for(store: Store) -> None:
    for hours in (3, 1, 2):
        stored_event(store.using, NOW + hours * HOUR, tzdata_fingerprint="old")

    found = take(store, limit=2)

    assert [one.event.due.at for one in found] == [NOW + HOUR, NOW + 2 * HOUR]


def test_only_what_is_due_by_then_is_taken_if_asked_so(store: Store) -> None:
    for hours in (1, 2, 3):
        stored_event(store.using, NOW + hours * HOUR, tzdata_fingerprint="old")

    assert len(take(store, until=NOW + 2 * HOUR)) == 2
    assert len(take(store)) == 1
    assert take(store) == []


def test_other_zones_and_other_data_are_left_alone(store: Store) -> None:
    stored_event(store.using, tzdata_fingerprint="new")
    stored_event(store.using, tzdata_fingerprint="old", execution_timezone="Asia/Tokyo")

    assert take(store) == []


def test_an_event_that_does_not_move_is_no_fact(store: Store) -> None:
    stored_event(store.using, tzdata_fingerprint="old")

    (found,) = take(store, derive=as_it_was)

    event = ScheduledEvent.objects.using(store.using).get()
    assert not found.moved
    assert (event.tzdata_fingerprint, event.next_at) == ("new", NOW)
    assert builders.ledger_facts(store.using) == []


def test_an_event_with_nothing_left_is_finished_and_one_that_fails_is_paused(store: Store) -> None:
    stored_event(store.using, NOW, tzdata_fingerprint="old")
    stored_event(store.using, NOW + HOUR, tzdata_fingerprint="old")
    answers = iter([Advance(None, "new"), Advance(None, problem="zone is gone")])

    take(store, derive=lambda event: next(answers))

    rows = ScheduledEvent.objects.using(store.using).order_by("status")
    assert [row.status for row in rows] == ["finished", "paused"]
    entries = LedgerEntry.objects.using(store.using).order_by("id")
    assert [(entry.fact, (entry.data or {})["reason"]) for entry in entries] == [
        ("rederived", "why"),
        ("paused", "zone is gone"),
    ]


def test_looking_locks_nothing_and_changes_nothing(store: Store) -> None:
    event = stored_event(store.using, tzdata_fingerprint="old")

    (found,) = store.stale_events(OLD)

    assert (found.id, found.due.at) == (event.id, NOW)
    assert len(take(store)) == 1


def test_what_moved_an_event_here_is_what_it_is_the_next_of(store: Store) -> None:
    rule = builders.every_minute()
    stored_event(store.using, rule=rule)
    (claim,) = builders.claim(
        store, NOW + HOUR, advance=lambda due: Advance(rule.next(due.due_at), "old")
    )

    (found,) = store.stale_events(OLD)

    assert found.since() == claim.due_at


def test_what_another_engine_has_locked_is_left_to_it(store: Store) -> None:
    if connections[store.using].vendor == "sqlite":
        pytest.skip("SQLite has no row locks: writers exclude each other")
    first = stored_event(store.using, NOW, tzdata_fingerprint="old")
    stored_event(store.using, NOW + HOUR, tzdata_fingerprint="old")
    found: list[Rederived] = []

    def other() -> None:
        found.extend(take(open_store(store.using)))
        connections.close_all()

    with transaction.atomic(store.using):
        ScheduledEvent.objects.using(store.using).select_for_update().get(id=first.id)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert [one.event.due.at for one in found] == [NOW + HOUR]
