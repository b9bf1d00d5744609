"""Pruning: what goes, what stays, and that both are still accounted for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

import duly
from duly import clock
from duly.engine.plan import advance
from duly.models import LedgerEntry, LedgerSeal, Occurrence, ScheduledEvent
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.store import facts, partitions, retention, seals
from duly.store.backends import open_store
from duly.store.contract import Store
from duly.store.prune import Pruned, Pruner, Terms, total
from duly.store.rows import Claim, Result
from duly.testing.manual_clock import ManualClock
from tests import builders
from tests.builders import NOW
from tests.store.test_verify import History, disagreements

pytestmark = pytest.mark.also_partitioned
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    previous = clock.use(ManualClock(NOW))
    yield database
    clock.use(previous)


@pytest.fixture
def store(using: str) -> Store:
    return open_store(using)


def ended(store: Store, status: str = "succeeded", **fields: Any) -> Occurrence:
    """An event that has come due now, and what came of it."""
    event = builders.stored_event(store.using, **fields)
    claim = next(one for one in builders.claim(store, NOW) if one.event_id == event.id)
    if status != "queued":
        builders.start(store, [claim])
    if status not in ("queued", "running"):
        store.finish([_result(claim, status)], now=NOW)
    return Occurrence.objects.using(store.using).get(id=claim.id)


def _result(claim: Claim, status: str) -> Result:
    fact = {"succeeded": "succeeded", "dead": "died", "pending": "retried"}[status]
    wake_at = NOW + 90 * DAY if status == "pending" else None
    decision = Decision(OccurrenceStatus(status), fact, wake_at, "")
    return Result(claim.id, claim.event_id, claim.due_at, 1, decision)


def sealed(using: str, now: Any = NOW + HOUR) -> None:
    while seals.seal(using, now):
        pass


def pruned(using: str, before: Any = NOW + DAY, **options: Any) -> Pruned:
    dry_run = options.pop("dry_run", False)
    page = options.pop("page", 0)
    terms = Terms(before, **options)
    if page:
        return total(Pruner(using, terms, page=page).batches(before, actor="test"))
    return total(retention.prune(using, terms, before, actor="test", dry_run=dry_run))


def left(using: str) -> tuple[int, int]:
    events = ScheduledEvent.objects.using(using).count()
    return events, Occurrence.objects.using(using).count()


@contextmanager
def another_connection(using: str) -> Iterator[None]:
    """Be another process, as the database sees it."""
    mine, connections[using] = connections[using], connections.create_connection(using)
    try:
        yield
    finally:
        connections[using].close()
        connections[using] = mine


def test_an_event_that_is_over_goes_with_all_that_is_known_of_it(store: Store) -> None:
    ended(store)
    sealed(store.using)

    assert pruned(store.using) == Pruned(occurrences=1, events=1, entries=3)

    assert left(store.using) == (0, 0)
    # One for each step: by the month, occurrences, events and entries go one after the other.
    told = list(LedgerEntry.objects.using(store.using).all())
    assert {(one.fact, one.event_id, one.actor) for one in told} == {
        ("pruned", facts.THE_LEDGER, "test")
    }
    assert sum(one.data["occurrences"] for one in told if one.data) == 1


@pytest.mark.parametrize("status", ["queued", "running", "pending", "dead"])
def test_what_is_alive_or_dead_stays(store: Store, status: str) -> None:
    ended(store, status)
    sealed(store.using)

    assert pruned(store.using) == Pruned()
    assert Occurrence.objects.using(store.using).get().status == status


def test_what_is_dead_goes_when_it_is_asked_for(store: Store) -> None:
    ended(store, "dead")
    sealed(store.using)

    assert pruned(store.using, dead=True).occurrences == 1


def test_what_ended_later_stays(store: Store) -> None:
    ended(store)
    sealed(store.using)

    assert pruned(store.using, before=NOW) == Pruned()


def test_an_event_that_was_cancelled_before_it_was_ever_due_goes(using: str) -> None:
    event = duly.schedule_event("remind", duly.At.instant(NOW + HOUR))
    duly.cancel_event(event.id)
    sealed(using)

    assert pruned(using) == Pruned(events=1, entries=2)


def test_an_event_that_is_scheduled_stays(using: str) -> None:
    duly.schedule_event("remind", duly.At.instant(NOW + 365 * DAY))
    sealed(using)

    assert pruned(using) == Pruned()


def test_a_recurring_event_keeps_the_occurrence_that_its_state_comes_from(store: Store) -> None:
    event = duly.schedule_event("remind", duly.Every(HOUR, anchor=NOW))
    for number in range(1, 4):
        now = NOW + number * HOUR
        (claim,) = builders.claim(store, now, advance=partial(advance, now=now))
        builders.start(store, [claim], now)
        store.finish([_result(claim, "succeeded")], now=now)
    sealed(store.using, NOW + 5 * HOUR)

    assert pruned(store.using).occurrences == 2

    (kept,) = Occurrence.objects.using(store.using).all()
    assert kept.due_at == NOW + 3 * HOUR
    assert ScheduledEvent.objects.using(store.using).get().id == event.id
    assert disagreements(store.using) == []


def test_what_is_not_sealed_yet_stays(store: Store, is_partitioned: bool) -> None:
    ended(store)

    # By the month, the ledger goes for itself.
    gone = Pruned(occurrences=1, events=1) if is_partitioned else Pruned()
    assert pruned(store.using) == gone
    assert LedgerEntry.objects.using(store.using).exclude(fact="pruned").count() == 3
    assert disagreements(store.using) == []


def test_a_dry_run_says_the_same_and_deletes_nothing(store: Store) -> None:
    ended(store)
    sealed(store.using)

    would = pruned(store.using, dry_run=True)

    assert left(store.using) == (1, 1)
    assert would == pruned(store.using)


def test_seals_of_what_was_pruned_still_verify(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 2)
    for _ in range(3):
        ended(store)
    ended(store, "dead")
    sealed(store.using)

    pruned(store.using)

    assert LedgerSeal.objects.using(store.using).filter(pruned__gt=0).count() > 1
    assert list(seals.verify_seals(store.using)) == []


def test_a_pruned_row_that_came_late_is_accounted_for_by_the_seal_that_covers_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 2)
    ended(store)
    first = LedgerEntry.objects.using(store.using).order_by("id")[1]
    LedgerEntry.objects.using(store.using).filter(id=first.id).delete()
    sealed(store.using)
    first.save(using=store.using, force_insert=True)
    ended(store, "dead")
    sealed(store.using)
    assert LedgerSeal.objects.using(store.using).exclude(late=[]).exists()

    assert pruned(store.using).entries == 3

    assert list(seals.verify_seals(store.using)) == []


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        pytest.param(lambda rows: rows.update(actor="me"), "not as they were", id="edited"),
        pytest.param(lambda rows: rows.delete(), "rows are gone, and 3 were pruned", id="deleted"),
    ],
)
def test_what_is_done_to_the_rows_beside_pruned_ones_is_found(
    store: Store, tamper: Any, told: str
) -> None:
    ended(store)
    kept = ended(store, "dead")
    sealed(store.using)
    pruned(store.using)

    tamper(LedgerEntry.objects.using(store.using).filter(occurrence_id=kept.id, fact="died"))

    assert any(told in one for one in seals.verify_seals(store.using))


def test_a_batch_that_breaks_off_leaves_everything_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(store)
    sealed(store.using)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the process was killed here")

    monkeypatch.setattr(Pruner, "_tell", broken)
    monkeypatch.setattr("duly.store.drop_occurrences.tell", broken)
    with pytest.raises(RuntimeError):
        pruned(store.using)

    assert left(store.using) == (1, 1)
    assert list(seals.verify_seals(store.using)) == []
    assert disagreements(store.using) == []


def test_engines_go_on_while_a_batch_is_under_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connections[store.using].vendor == "sqlite":
        pytest.skip("SQLite has one writer, and a batch is over in milliseconds")
    for _ in range(3):
        ended(store)
    sealed(store.using)
    builders.stored_event(store.using, rule=builders.every_minute())
    (held,) = builders.claim(store, NOW, advance=partial(advance, now=NOW))
    finished: list[UUID] = []

    def meanwhile(*_: object) -> None:
        with another_connection(store.using):
            with connections[store.using].cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
            (claim,) = builders.claim_again(store, NOW + HOUR)
            builders.start(store, [claim], NOW + HOUR)
            finished.extend(store.finish([_result(claim, "succeeded")], now=NOW + HOUR))

    monkeypatch.setattr(Pruner, "_tell", meanwhile)
    assert pruned(store.using).occurrences == 3
    assert finished == [held.id]


def test_small_pages_delete_the_same(store: Store) -> None:
    for _ in range(5):
        ended(store)
    sealed(store.using)

    assert pruned(store.using, page=2) == Pruned(occurrences=5, events=5, entries=15)


def test_what_somebody_else_has_locked_stays_for_now(
    store: Store, is_partitioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "TRIES", 1)
    if connections[store.using].vendor == "sqlite":
        pytest.skip("SQLite has no row locks: writers exclude each other")
    taken, free = ended(store), ended(store)
    sealed(store.using)
    with transaction.atomic(store.using):
        list(Occurrence.objects.using(store.using).filter(id=taken.id).select_for_update())
        with another_connection(store.using):
            # A month goes as a whole, or not yet.
            assert pruned(store.using).occurrences == (0 if is_partitioned else 1)

    assert Occurrence.objects.using(store.using).filter(id=free.id).exists() == is_partitioned
    assert Occurrence.objects.using(store.using).filter(id=taken.id).exists()


@pytest.mark.parametrize("chunk", range(2))
def test_after_any_history_what_is_left_folds_and_verifies(using: str, chunk: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    history = History(using, seed)
    went = Pruned()
    steps = 0
    while (steps := steps + 1) <= 150 or not went.entries:
        history.step()
        if steps % 30 == 0:
            history.now += 2 * HOUR
            sealed(using, history.now)
            page = history.dice.choice([1, 3, 500])
            went += pruned(using, history.now - HOUR, dead=steps > 90, page=page)
            assert disagreements(using) == []
            assert list(seals.verify_seals(using)) == []
        # The verbs go by the clock, the engines of the history by its own.
        manual = clock.current()
        assert isinstance(manual, ManualClock)
        manual.move(history.now - manual.now(using))


def test_what_was_sealed_long_after_it_was_written_is_pruned_with_its_facts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "LARGEST_RANGE", 2)
    duly.schedule_event("remind", duly.Every(HOUR, anchor=NOW))
    for number in range(1, 9):
        now = NOW + number * HOUR
        (claim,) = builders.claim(store, now, advance=partial(advance, now=now))
        builders.start(store, [claim], now)
        store.finish([_result(claim, "succeeded")], now=now)
    sealed(store.using, NOW + 5 * DAY)

    pruned(store.using, NOW + 2 * DAY)

    assert disagreements(store.using) == []
    assert list(seals.verify_seals(store.using)) == []
