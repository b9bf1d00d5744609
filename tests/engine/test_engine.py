"""A running engine, with real threads and a real database, waited for by its signals."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

import duly
from duly import At, Every, Retry
from duly import clock as clocks
from duly.clock import DatabaseClock
from duly.engine.floor import FULL_LOOK_SECONDS
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.store.rows import Born
from tests import builders
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]


def soon(seconds: float = 0.0) -> At:
    return At.instant(datetime.now(UTC) + timedelta(seconds=seconds))


def test_an_event_fires_at_its_instant_with_what_it_was_scheduled_with(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    seen: list[tuple[duly.Occurrence, datetime]] = []
    handle("remind", lambda occurrence: seen.append((occurrence, datetime.now(UTC))))
    start_engine()

    event = duly.schedule_event(
        "remind", soon(0.4), payload={"channel": "sms"}, entity=("appointment", 42), key="a:42"
    )
    signals.wait("occurrences.recorded")

    ((occurrence, at),) = seen
    assert occurrence.payload == {"channel": "sms"}
    assert (occurrence.entity_type, occurrence.entity_id) == ("appointment", "42")
    assert (occurrence.key, occurrence.attempt, occurrence.event_id) == ("a:42", 1, event.id)
    assert occurrence.due_at == event.next_at
    assert occurrence.idempotency_key == f"{event.id}:{event.next_at.isoformat()}"
    assert at >= occurrence.due_at


def test_nothing_fires_before_its_instant_however_many_are_held(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    early: list[float] = []
    handle("remind", lambda o: early.append((datetime.now(UTC) - o.due_at).total_seconds()))
    for number in range(40):
        duly.schedule_event("remind", soon(0.2 + number / 50))
    start_engine(horizon=timedelta(seconds=2))

    signals.wait("occurrences.recorded", 40)

    assert min(early) >= 0


def test_an_async_handler_runs_on_the_event_loop(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    threads: list[str] = []

    async def remind(occurrence: duly.Occurrence) -> None:
        await asyncio.sleep(0)
        threads.append(threading.current_thread().name)

    handle("remind", remind)
    start_engine()
    duly.schedule_event("remind", soon())

    signals.wait("occurrences.recorded")

    assert threads == ["duly-event-loop"]


def test_a_failure_is_retried_with_the_same_key_and_the_next_number(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    tries: list[tuple[str, int]] = []

    def remind(occurrence: duly.Occurrence) -> None:
        tries.append((occurrence.idempotency_key, occurrence.attempt))
        if occurrence.attempt == 1:
            raise ValueError("the line was busy")

    handle("remind", remind, retry=Retry(base=timedelta(milliseconds=50)))
    start_engine()
    duly.schedule_event("remind", soon())

    signals.wait("occurrences.recorded", 2)

    assert [number for _, number in tries] == [1, 2]
    assert len({key for key, _ in tries}) == 1
    retried = LedgerEntry.objects.using(using).get(fact="retried")
    assert retried.data is not None
    assert retried.data["error"].startswith("ValueError: the line was busy")
    assert builders.only_occurrence(using).status == "succeeded"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(lambda: (_ for _ in ()).throw(SystemExit(1)), id="sys.exit"),
        pytest.param(lambda: (_ for _ in ()).throw(KeyboardInterrupt()), id="keyboard-interrupt"),
        pytest.param(lambda: (_ for _ in ()).throw(ValueError("\0\ud800")), id="hostile-message"),
        pytest.param(lambda: _forever(), id="recursion"),
    ],
)
def test_whatever_a_handler_raises_is_its_own_death_and_the_next_one_runs(
    start_engine: Start,
    handle: Handle,
    signals: Signals,
    using: str,
    failure: Callable[[], object],
) -> None:
    handle("fail", lambda occurrence: failure(), retry=Retry(attempts=1))
    handle("work", lambda occurrence: None)
    start_engine(concurrency=1)
    duly.schedule_event("fail", soon())
    signals.wait("occurrences.recorded", 1)
    duly.schedule_event("work", soon())
    # The third tells of the death.
    signals.wait("occurrences.recorded", 3)

    by_type = dict(Occurrence.objects.using(using).values_list("event_type", "status"))
    assert (by_type["fail"], by_type["work"]) == ("dead", "succeeded")


def _forever() -> None:
    _forever()


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_handler_that_takes_too_long_is_timed_out_and_its_late_result_is_fenced(
    start_engine: Start, handle: Handle, signals: Signals, using: str, kind: str
) -> None:
    release = threading.Event()

    def hang(occurrence: duly.Occurrence) -> None:
        release.wait(10)

    async def hang_async(occurrence: duly.Occurrence) -> None:
        await asyncio.sleep(10)

    function = hang if kind == "plain" else hang_async
    handle("hang", function, timeout=0.2, retry=Retry(attempts=1))
    start_engine()
    duly.schedule_event("hang", soon())
    signals.wait("occurrences.recorded")
    release.set()
    if kind == "plain":
        signals.wait("occurrences.recorded fenced")
        assert "fenced" in builders.ledger_facts(using)

    occurrence = builders.only_occurrence(using)
    assert occurrence.status == "dead"
    assert occurrence.error.startswith("TimedOut: the handler was still running after 0.2 s")


def test_a_type_without_a_handler_is_parked_with_its_reason_and_fired_when_one_appears(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    first = start_engine()
    duly.schedule_event("newcomer", soon())
    signals.wait("occurrences.parked")
    waiting = builders.only_occurrence(using)
    assert (waiting.status, waiting.attempt) == ("pending", 0)
    assert waiting.reason == "no handler for 'newcomer'"
    first.stop()

    seen: list[duly.Occurrence] = []
    handle("newcomer", seen.append)
    start_engine()
    signals.wait("occurrences.recorded")

    assert [occurrence.attempt for occurrence in seen] == [1]


def test_a_stopping_engine_gives_back_what_it_holds(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("remind", lambda occurrence: None)
    engine = start_engine(horizon=timedelta(seconds=60), lease=timedelta(seconds=200))
    duly.schedule_event("remind", soon(30))
    signals.wait("events.planned")

    assert engine.stop()

    occurrence = builders.only_occurrence(using)
    assert (occurrence.status, occurrence.holder) == ("queued", None)
    assert occurrence.wake_at is not None
    assert occurrence.wake_at <= datetime.now(UTC)


def test_a_stopping_engine_waits_for_what_runs(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("slow", lambda occurrence: time.sleep(0.5))
    engine = start_engine()
    duly.schedule_event("slow", soon())
    signals.wait("occurrences.started")

    assert engine.stop()

    assert builders.only_occurrence(using).status == "succeeded"


def test_what_outlives_the_grace_time_is_recorded_as_interrupted(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    release = threading.Event()
    handle("slow", lambda occurrence: release.wait(10))
    engine = start_engine(grace_seconds=0.1)
    duly.schedule_event("slow", soon())
    signals.wait("occurrences.started")

    engine.stop()
    release.set()

    occurrence = builders.only_occurrence(using)
    assert occurrence.status == "pending"
    assert occurrence.error.startswith("Interrupted")


def test_what_is_claimed_twice_by_one_engine_runs_once(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    release = threading.Event()
    attempts: list[int] = []
    handle("slow", lambda occurrence: release.wait(10))
    handle("remind", lambda occurrence: attempts.append(occurrence.attempt))
    engine = start_engine(concurrency=2)
    for _ in range(2):
        duly.schedule_event("slow", soon())
    signals.wait("occurrences.started", 2)
    planned = signals.counts["events.planned"]
    # Claimed ahead of its instant, and then without a slot.
    duly.schedule_event("remind", soon(0.8))
    signals.wait("events.planned", planned + 1)

    # As after an outage in which its lease ran out.
    claimed = signals.counts["occurrences.claimed"]
    Occurrence.objects.using(using).filter(event_type="remind").update(wake_at=datetime.now(UTC))
    engine.wake()
    signals.wait("occurrences.claimed", claimed + 1)
    release.set()
    signals.wait("occurrences.recorded", 3)
    engine.stop()

    assert attempts == [1]


class BreakableClock(DatabaseClock):
    """The database's clock, and a database that can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False

    def now(self, using: str) -> datetime:
        if self.is_broken:
            raise OperationalError("the server has gone away")
        return super().now(using)


def test_what_is_held_through_a_long_outage_fires_after_it(
    start_engine: Start, handle: Handle, signals: Signals, request: pytest.FixtureRequest
) -> None:
    clock = BreakableClock()
    previous = clocks.use(clock)
    request.addfinalizer(lambda: clocks.use(previous))
    handle("remind", lambda occurrence: None)
    start_engine()
    duly.schedule_event("remind", soon(0.9))
    signals.wait("events.planned")

    clock.is_broken = True
    signals.wait("engine.faulted dispatch", 2)
    clock.is_broken = False

    signals.wait("occurrences.recorded", seconds=8)


def test_a_long_handler_keeps_its_lease_by_heartbeat(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    release = threading.Event()
    handle("slow", lambda occurrence: release.wait(10))
    start_engine(lease=timedelta(seconds=1), horizon=timedelta(seconds=0.2))
    start_engine(lease=timedelta(seconds=1), horizon=timedelta(seconds=0.2))
    duly.schedule_event("slow", soon())
    signals.wait("occurrences.started")
    signals.wait("leases.extended", 6)
    release.set()
    signals.wait("occurrences.recorded")

    occurrence = builders.only_occurrence(using)
    assert (occurrence.status, occurrence.attempt) == ("succeeded", 1)
    assert signals.counts["occurrences.rescued"] == 0


def test_a_recurring_event_fires_again_and_again_at_its_own_instants(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("tick", lambda occurrence: None)
    anchor = datetime.now(UTC)
    start_engine()
    event = duly.schedule_event("tick", Every(timedelta(seconds=1), anchor=anchor))

    signals.wait("occurrences.recorded", 3)

    dues = Occurrence.objects.using(using).order_by("due_at").values_list("due_at", flat=True)
    assert [due - anchor for due in dues][:3] == [timedelta(seconds=n) for n in (1, 2, 3)]
    assert ScheduledEvent.objects.using(using).get(id=event.id).status == "scheduled"


def test_a_cancelled_event_that_was_claimed_already_does_not_fire(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    fired: list[duly.Occurrence] = []
    handle("remind", fired.append)
    handle("after", lambda occurrence: None)
    start_engine(horizon=timedelta(seconds=2))
    event = duly.schedule_event("remind", soon(0.6))
    signals.wait("events.planned")

    assert duly.cancel_event(event.id).status == "done"
    duly.schedule_event("after", soon(0.9))
    signals.wait("occurrences.recorded")

    assert fired == []
    statuses = dict(Occurrence.objects.using(using).values_list("event_type", "status"))
    assert statuses == {"remind": "cancelled", "after": "succeeded"}


def test_cancelling_what_runs_is_too_late_and_says_since_when(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    release = threading.Event()
    handle("slow", lambda occurrence: release.wait(10))
    start_engine()
    event = duly.schedule_event("slow", soon())
    signals.wait("occurrences.started")

    answer = duly.cancel_event(event.id)
    release.set()

    assert answer.status == "too_late"
    assert answer.running_since == builders.only_occurrence(using).started_at


def test_a_handlers_broken_transaction_does_not_reach_the_next_one(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    def leave_open(occurrence: duly.Occurrence) -> None:
        transaction.set_autocommit(False, using=using)
        transaction.atomic(using).__enter__()
        ScheduledEvent.objects.using(using).update(reason="never committed")

    def look(occurrence: duly.Occurrence) -> None:
        assert connections[using].get_autocommit()
        assert not ScheduledEvent.objects.using(using).filter(reason="never committed").exists()

    handle("careless", leave_open)
    handle("careful", look, retry=Retry(attempts=1))
    start_engine(concurrency=1)
    duly.schedule_event("careless", soon())
    signals.wait("occurrences.recorded", 1)
    duly.schedule_event("careful", soon())
    signals.wait("occurrences.recorded", 2)

    statuses = dict(Occurrence.objects.using(using).values_list("event_type", "status"))
    assert statuses == {"careless": "succeeded", "careful": "succeeded"}


def test_engines_side_by_side_fire_each_event_once(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    fired: list[str] = []
    handle("remind", lambda occurrence: fired.append(occurrence.idempotency_key))
    for _ in range(3):
        start_engine()
    rules = [soon(number / 100) for number in range(100)]

    duly.schedule_events([duly.NewEvent("remind", rule) for rule in rules])
    signals.wait("occurrences.recorded", 100)

    assert len(fired) == len(set(fired)) == 100


def test_an_event_scheduled_within_the_poll_is_noticed_at_once(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    handle("remind", lambda occurrence: None)
    start_engine(poll_seconds=60.0)
    duly.schedule_event("remind", soon(0.1))

    signals.wait("occurrences.recorded", seconds=5)


def test_an_event_scheduled_right_after_another_is_noticed_as_well(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    handle("remind", lambda occurrence: None)
    start_engine(poll_seconds=60.0)
    duly.schedule_event("remind", soon(4))
    duly.schedule_event("remind", soon())

    signals.wait("occurrences.recorded", seconds=2)


def test_what_there_is_no_slot_for_is_left_to_other_engines(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    release = threading.Event()
    handle("slow", lambda occurrence: release.wait(10))
    for _ in range(5):
        duly.schedule_event("slow", soon(-60))

    start_engine(concurrency=2)
    signals.wait("occurrences.started", 2)
    start_engine(concurrency=2)
    signals.wait("occurrences.started", 4)

    assert Occurrence.objects.using(using).count() == 4
    release.set()
    signals.wait("occurrences.recorded", 5)


def test_an_event_scheduled_long_after_its_own_instant_is_noticed_at_once(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    fired: list[datetime] = []
    handle("remind", lambda occurrence: fired.append(datetime.now(UTC)))
    start_engine(poll_seconds=30.0)
    duly.schedule_event("remind", soon())
    signals.wait("occurrences.recorded", 1)

    scheduled = datetime.now(UTC)
    duly.schedule_event("remind", soon(-86_400))
    signals.wait("occurrences.recorded", 2)

    assert fired[1] - scheduled < timedelta(seconds=FULL_LOOK_SECONDS)


def test_plain_handlers_that_are_all_busy_do_not_hold_up_the_async_ones(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    release = threading.Event()
    fired: list[str] = []

    async def quick(occurrence: Any) -> None:
        fired.append(occurrence.event_type)

    handle("slow", lambda occurrence: release.wait(10))
    handle("quick", quick)
    start_engine(concurrency=1, async_concurrency=1)
    for _ in range(3):
        duly.schedule_event("slow", soon(-60))
    signals.wait("occurrences.started", 1)
    duly.schedule_event("quick", soon(-30))

    signals.wait("occurrences.recorded", 1, seconds=FULL_LOOK_SECONDS)
    assert fired == ["quick"]
    release.set()
    signals.wait("occurrences.recorded", 4)


def test_what_comes_due_while_a_look_has_every_slot_begins_once_the_look_is_over(
    start_engine: Start, handle: Handle, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle("call", lambda occurrence: None)
    held_due = datetime.now(UTC) + timedelta(seconds=0.8)
    duly.schedule_event("call", At.instant(held_due))
    engine = start_engine(concurrency=1, poll_seconds=60.0)
    signals.wait("events.planned")
    looked = threading.Event()

    def find_nothing(**asked: Any) -> Born:
        # It has the one slot by now, and somebody else has locked what it looks for.
        time.sleep(max(0.0, (held_due - datetime.now(UTC)).total_seconds() + 0.2))
        looked.set()
        return Born([], [])

    monkeypatch.setattr(engine._store, "claim_due", find_nothing)
    duly.schedule_event("call", At.instant(datetime.now(UTC)))
    assert looked.wait(5)

    assert signals.wait("occurrences.recorded", seconds=3)["count"] == 1
