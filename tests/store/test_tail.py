"""The end of the ledger, followed: nothing is missed, whichever transaction commits first."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from duly.models import LedgerEntry, ScheduledEvent
from duly.store import facts, tail
from duly.store.gaps import PROBATION_SECONDS
from duly.store.tail import Tail, Wanted, read
from tests import builders
from tests.builders import NOW
from tests.tails import await_settled


@pytest.fixture
def event(database: str) -> ScheduledEvent:
    return builders.stored_event(database, entity_type="appointment", entity_id="42")


def write(event: ScheduledEvent, fact: str, **fields: Any) -> int:
    entry = facts.entry(fact, NOW, event.id, event.id, **fields)
    entry.save(using=event._state.db)
    return int(entry.id)


def given(tail: Tail, since: int = 0) -> list[tuple[int, str]]:
    tail.look()
    kept = tail.since(since)
    assert kept is not None
    return [(one.fired.id, one.fired.fact) for one in kept]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def settled_tail(event: ScheduledEvent, clock: Clock) -> Tail:
    """Give a tail before which nothing is open."""
    assert event._state.db is not None
    write(event, "scheduled")
    followed = Tail(event._state.db, monotonic=clock)
    await_settled(followed, clock)
    return followed


def test_what_was_there_before_is_not_told(event: ScheduledEvent, database: str) -> None:
    write(event, "due")

    assert given(Tail(database)) == []


def test_firings_are_told_with_whose_they_are(event: ScheduledEvent, database: str) -> None:
    followed = Tail(database)
    write(event, "scheduled")
    died = write(event, "died", attempt=3, data={"error": "ValueError: no\n  in line 7"})

    followed.look()

    (kept,) = followed.since(0) or []
    told = kept.fired
    assert (told.id, told.fact, told.attempt, told.error) == (died, "died", 3, "ValueError: no")
    assert (told.service, told.event_type) == ("default", "reminder")
    assert (told.entity_type, told.entity_id) == ("appointment", "42")


def test_a_look_asks_a_fixed_number_of_questions(
    event: ScheduledEvent, database: str, django_assert_num_queries: Any
) -> None:
    followed = settled_tail(event, Clock())
    for _ in range(50):
        write(event, "started", attempt=1)

    with django_assert_num_queries(2, connection=connections[database]):
        followed.look()
    with django_assert_num_queries(1, connection=connections[database]):
        followed.look()


def test_more_than_one_look_takes_is_taken_by_the_next(
    event: ScheduledEvent, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "LOOK_ROWS", 3)
    followed = Tail(database)
    ids = [write(event, "started", attempt=1) for _ in range(4)]

    assert followed.look() is True
    assert followed.look() is False

    assert [kept.fired.id for kept in followed.since(0) or []] == ids


def test_who_fell_behind_is_told_so(
    event: ScheduledEvent, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_KEPT", 2)
    followed = Tail(database)
    for _ in range(3):
        write(event, "started", attempt=1)
    followed.look()

    assert followed.since(0) is None
    assert len(followed.since(1) or []) == 2
    assert followed.since(3) == []


def test_the_past_is_read_in_pages(event: ScheduledEvent, database: str) -> None:
    ids = [write(event, fact) for fact in ("due", "scheduled", "started", "succeeded")]
    end = ids[-1]

    first, on = read(database, 0, end, 2)
    rest, done = read(database, on, end, 2)

    assert [fired.id for fired in first] == [ids[0], ids[2]]
    assert [fired.id for fired in rest] == [ids[3]]
    assert done == end


@pytest.mark.only_postgres
def test_what_commits_after_a_greater_id_is_told_when_it_is_there(
    event: ScheduledEvent, database: str
) -> None:
    clock = Clock()
    followed = settled_tail(event, clock)
    written, go_on = threading.Event(), threading.Event()
    slow_id: list[int] = []

    def slow() -> None:
        try:
            with transaction.atomic(database):
                slow_id.append(write(event, "succeeded"))
                written.set()
                go_on.wait(10)
        finally:
            connections[database].close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(10)
    fast_id = write(event, "started")

    assert given(followed) == [(fast_id, "started")]
    kept = followed.since(0) or []
    assert kept[0].settled < slow_id[0] < fast_id

    go_on.set()
    thread.join()
    assert given(followed, since=1) == [(slow_id[0], "succeeded")]
    await_settled(followed, clock)
    assert followed.place.settled == fast_id


@pytest.mark.only_postgres
def test_what_was_open_when_the_tail_began_is_told(event: ScheduledEvent, database: str) -> None:
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic(database):
                write(event, "succeeded")
                written.set()
                go_on.wait(10)
        finally:
            connections[database].close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(10)
    write(event, "started")
    followed = Tail(database)
    go_on.set()
    thread.join()

    assert [fact for _, fact in given(followed)] == ["succeeded"]


@pytest.mark.only_postgres
def test_an_id_that_was_rolled_back_is_given_up(event: ScheduledEvent, database: str) -> None:
    clock = Clock()
    followed = settled_tail(event, clock)
    with transaction.atomic(database):
        write(event, "due")
        transaction.set_rollback(True, using=database)
    last = write(event, "started")
    followed.look()
    assert followed.place.settled == last - 2

    clock.seconds += PROBATION_SECONDS
    followed.look()
    followed.look()

    assert followed.place.settled == last


def test_what_is_wanted_is_told_apart(event: ScheduledEvent, database: str) -> None:
    followed = Tail(database)
    write(event, "died")
    followed.look()
    (kept,) = followed.since(0) or []

    assert Wanted().takes(kept.fired)
    assert Wanted(service="default", event_type="reminder").takes(kept.fired)
    assert not Wanted(service="other").takes(kept.fired)
    assert not Wanted(entity_type="appointment", entity_id="43").takes(kept.fired)
    assert not Wanted(facts=frozenset({"succeeded"})).takes(kept.fired)


def test_the_ledger_of_others_is_not_needed(database: str) -> None:
    followed = Tail(database)
    facts.entry("due", NOW + timedelta(days=1), facts.THE_LEDGER).save(using=database)

    assert given(followed) == []
    assert LedgerEntry.objects.using(database).count() == 1
