"""What a handler, and its event, say of attempts: waits, ends, expiry, and exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction

import duly
from duly import At, Every, GiveUp, Retry, Snooze
from duly import signals as duly_signals
from duly.errors import ConfigurationError
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.registry import handler
from tests import builders
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]
QUICK = Retry(attempts=2, base=timedelta(milliseconds=10), cap=timedelta(milliseconds=10))


def now_due() -> At:
    return At.instant(datetime.now(UTC))


def ended(using: str, signals: Signals, count: int = 1) -> list[Occurrence]:
    signals.wait("occurrences.recorded", count)
    return list(Occurrence.objects.using(using).exclude(event_type="duly.occurrence_died"))


def test_a_handler_may_ask_for_the_wait_before_its_next_attempt(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def busy(occurrence: duly.Occurrence) -> None:
        raise Retry("line is busy", after=timedelta(hours=2))

    handle("call", busy)
    start_engine()
    duly.schedule_event("call", now_due())

    (occurrence,) = ended(using, signals)

    assert occurrence.status == "pending"
    assert occurrence.wake_at is not None
    wait = occurrence.wake_at - occurrence.due_at
    assert timedelta(hours=2) <= wait < timedelta(hours=2, minutes=1)
    assert occurrence.error.startswith("Retry: line is busy")


def test_a_handler_that_gives_up_ends_it_at_once(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def hopeless(occurrence: duly.Occurrence) -> None:
        raise GiveUp("no such number")

    handle("call", hopeless)
    start_engine()
    duly.schedule_event("call", now_due())

    (occurrence,) = ended(using, signals)

    assert (occurrence.status, occurrence.attempt) == ("dead", 1)
    assert occurrence.error.startswith("GiveUp: no such number")


def test_each_failed_attempt_is_in_the_log_with_its_error_and_what_follows(
    using: str,
    start_engine: Start,
    handle: Handle,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(occurrence: duly.Occurrence) -> None:
        raise ValueError(f"no line {occurrence.attempt}")

    handle("call", broken, retry=QUICK)
    start_engine()
    duly.schedule_event("call", now_due())

    signals.wait("attempt.failed", 2)
    (occurrence,) = ended(using, signals, 2)

    told = [one.getMessage() for one in caplog.records]
    first, last = (message for message in told if message.startswith("attempt.failed "))
    assert "fact=retried" in first
    assert "error=ValueError: no line 1\n" in first
    assert "fact=died" in last
    assert "error=ValueError: no line 2\n" in last
    assert f"occurrence_id={occurrence.id} attempt=2 " in last


def test_a_snooze_spends_no_attempt(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    attempts: list[int] = []

    def not_yet(occurrence: duly.Occurrence) -> None:
        attempts.append(occurrence.attempt)
        if len(attempts) < 4:
            raise Snooze(0.01, reason="not yet")

    handle("call", not_yet, retry=Retry(attempts=1))
    start_engine()
    duly.schedule_event("call", now_due())

    (occurrence,) = ended(using, signals, 4)

    assert attempts == [1, 2, 3, 4]
    assert (occurrence.status, occurrence.forgiven) == ("succeeded", 3)
    facts = builders.ledger_facts(using, occurrence.id)
    assert facts.count("snoozed") == 3


def test_an_event_may_have_attempts_and_a_timeout_of_its_own(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    seen: list[timedelta] = []

    def fail(occurrence: duly.Occurrence) -> None:
        seen.append(occurrence.deadline - datetime.now(UTC))
        raise ValueError("no")

    handle("call", fail, retry=Retry(attempts=9), timeout=60)
    start_engine()
    duly.schedule_event("call", now_due(), retry=QUICK, timeout=timedelta(seconds=20))

    (occurrence,) = ended(using, signals, 2)

    assert (occurrence.status, occurrence.attempt) == ("dead", 2)
    assert all(timedelta(seconds=15) < left <= timedelta(seconds=20) for left in seen)


def test_what_cannot_begin_in_time_is_skipped_with_its_reason(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    ran: list[duly.Occurrence] = []
    handle("remind", ran.append)
    late = At.instant(datetime.now(UTC) - timedelta(minutes=10))
    duly.schedule_event("remind", late, expires_after=timedelta(minutes=5))
    duly.schedule_event("remind", late, expires_after=timedelta(minutes=15), key="in time")
    start_engine()

    signals.wait("occurrences.skipped")
    signals.wait("occurrences.recorded")

    assert [one.key for one in ran] == ["in time"]
    skipped = Occurrence.objects.using(using).get(status="skipped")
    assert skipped.reason == "expired"
    assert "skipped" in builders.ledger_facts(using, skipped.id)


def test_after_an_outage_one_firing_makes_up_for_those_that_were_missed(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    handle("tick", lambda occurrence: None)
    anchor = datetime.now(UTC) - timedelta(hours=5, minutes=30)
    event = duly.schedule_event("tick", Every(timedelta(hours=1), anchor=anchor))
    first = anchor + timedelta(hours=1)
    # As if no engine had run since.
    ScheduledEvent.objects.using(using).filter(id=event.id).update(next_at=first)
    start_engine()

    signals.wait("occurrences.recorded")

    assert [row.due_at for row in Occurrence.objects.using(using)] == [anchor + timedelta(hours=5)]
    (missed,) = LedgerEntry.objects.using(using).filter(fact="missed")
    assert missed.data == {
        "first": first.isoformat(),
        "last": (anchor + timedelta(hours=4)).isoformat(),
        "count": 4,
        "reason": "catch_up=latest",
        "next_at": (anchor + timedelta(hours=5)).isoformat(),
    }
    event.refresh_from_db()
    assert event.next_at == anchor + timedelta(hours=6)


def test_an_atomic_handlers_effects_and_its_success_are_one_transaction(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def effect(occurrence: duly.Occurrence) -> None:
        LedgerEntry.objects.using(using).create(
            at=occurrence.due_at, event_id=occurrence.event_id, fact="effect"
        )
        assert connections[using].in_atomic_block

    handle("book", effect, atomic=True)
    start_engine()
    duly.schedule_event("book", now_due())

    (occurrence,) = ended(using, signals)

    assert occurrence.status == "succeeded"
    assert builders.ledger_facts(using).count("effect") == 1


def test_an_atomic_handler_that_fails_leaves_no_effect(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def effect(occurrence: duly.Occurrence) -> None:
        LedgerEntry.objects.using(using).create(
            at=occurrence.due_at, event_id=occurrence.event_id, fact="effect"
        )
        raise GiveUp("no")

    handle("book", effect, atomic=True)
    start_engine()
    duly.schedule_event("book", now_due())

    (occurrence,) = ended(using, signals)

    assert occurrence.status == "dead"
    assert "effect" not in builders.ledger_facts(using)


def test_an_atomic_attempt_that_was_overtaken_leaves_no_effect(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    if connections[using].vendor == "sqlite":
        pytest.skip("an atomic handler holds SQLite's write lock: nobody can overtake it")
    begun, go_on = threading.Event(), threading.Event()

    def effect(occurrence: duly.Occurrence) -> None:
        LedgerEntry.objects.using(using).create(
            at=occurrence.due_at, event_id=occurrence.event_id, fact="effect"
        )
        if occurrence.attempt == 1:
            begun.set()
            go_on.wait(10)

    handle("book", effect, atomic=True)
    start_engine()
    duly.schedule_event("book", now_due())
    assert begun.wait(10)
    # Its lease was lost, and another attempt has done the work.
    Occurrence.objects.using(using).update(attempt=2)

    go_on.set()
    signals.wait("occurrences.recorded fenced")

    assert "effect" not in builders.ledger_facts(using)
    assert "fenced" in builders.ledger_facts(using)


def test_an_async_handler_cannot_be_atomic() -> None:
    async def book(occurrence: duly.Occurrence) -> None: ...

    with pytest.raises(ConfigurationError, match="needs a plain function"):
        handler("book", atomic=True)(book)


def test_a_death_is_told_to_the_handler_and_by_a_signal(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def fail(occurrence: duly.Occurrence) -> None:
        raise ValueError("no")

    told: list[Occurrence] = []
    signalled: list[Occurrence] = []

    def receive(occurrence: Occurrence, **_: Any) -> None:
        signalled.append(occurrence)

    handle("call", fail, retry=Retry(attempts=1), on_dead=told.append)
    duly_signals.occurrence_died.connect(receive)
    try:
        start_engine()
        event = duly.schedule_event("call", now_due())
        signals.wait("occurrences.recorded", 2)
    finally:
        duly_signals.occurrence_died.disconnect(receive)

    assert [row.event_id for row in told] == [event.id]
    assert [row.error.partition("\n")[0] for row in signalled] == ["ValueError: no"]


def test_the_death_of_a_telling_is_not_told(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    def fail(occurrence: Any) -> None:
        raise GiveUp("no")

    handle("call", fail, on_dead=fail)
    start_engine()
    duly.schedule_event("call", now_due())

    signals.wait("occurrences.recorded", 2)

    assert ScheduledEvent.objects.using(using).count() == 2


def test_a_replay_runs_again_under_the_same_key_with_all_attempts(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    keys: list[str] = []
    broken = threading.Event()
    broken.set()

    def sometimes(occurrence: duly.Occurrence) -> None:
        keys.append(occurrence.idempotency_key)
        if broken.is_set():
            raise ValueError("no")

    handle("call", sometimes, retry=QUICK)
    start_engine()
    duly.schedule_event("call", now_due())
    (dead,) = ended(using, signals, 2)
    assert dead.status == "dead"

    broken.clear()
    duly.replay(dead, actor="anna")
    signals.wait("occurrences.recorded", 4)

    dead.refresh_from_db()
    assert (dead.status, dead.attempt, dead.forgiven) == ("succeeded", 3, 2)
    assert len(set(keys)) == 1
    entry = LedgerEntry.objects.using(using).get(fact="replayed")
    assert (entry.actor, entry.data) == ("anna", {"from": "dead", "error": "ValueError: no"})


def test_an_atomic_handler_that_breaks_its_transaction_fails_and_says_so(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    def broken(occurrence: Any) -> None:
        transaction.set_rollback(True, using=using)

    handle("broken", broken, atomic=True, retry=Retry(attempts=1))
    duly.schedule_event("broken", At.instant(datetime.now(UTC)))
    start_engine()
    signals.wait("occurrences.recorded")

    (occurrence,) = Occurrence.objects.using(using)
    assert occurrence.status == "dead"
    assert occurrence.error.startswith("TransactionManagementError")
