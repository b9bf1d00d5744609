"""A worker runs what a message names, by the local executors' code path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

import duly
from duly import Limits, Retry, Snooze
from duly.conf import config
from duly.engine import worker
from duly.engine.options import EngineOptions
from duly.engine.worker import Worker
from duly.models import GateEntry, LedgerEntry, Occurrence
from duly.policy.gates import Terms
from duly.store import gates
from duly.store.backends import open_store
from duly.store.rows import Claim
from tests import builders
from tests.builders import HOLDER

Handle = Callable[..., None]


@pytest.fixture
def one(using: str) -> Iterator[Worker]:
    made = Worker(EngineOptions.of(config()))
    yield made
    made.stop()


def queued(using: str, event_type: str = "call", **fields: Any) -> Claim:
    """Let an event come due, and an engine hold its occurrence."""
    now = datetime.now(UTC)
    builders.stored_event(using, now, event_type=event_type, **fields)
    born = open_store(using).claim_due(
        now=now,
        until=now,
        limit=1,
        lease_until=now + timedelta(seconds=30),
        holder=HOLDER,
        advance=builders.finished,
    )
    return born.waiting[0]


def test_a_failed_attempt_is_in_the_worker_s_log(
    using: str, one: Worker, handle: Handle, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(occurrence: duly.Occurrence) -> None:
        raise ValueError("no line")

    handle("call", broken)
    claim = queued(using)

    assert one.process(claim.id, 1) == "retried"

    assert f"occurrence_id={claim.id} attempt=1 fact=retried" in caplog.text
    assert "error=ValueError: no line" in caplog.text


def test_a_message_is_run_once_and_its_outcome_written_before_the_answer(
    using: str, one: Worker, handle: Handle
) -> None:
    seen: list[duly.Occurrence] = []
    handle("call", seen.append)
    claim = queued(using, payload={"n": 7}, key="k")

    assert one.process(claim.id, 1) == "succeeded"

    (occurrence,) = seen
    assert (occurrence.payload, occurrence.key, occurrence.attempt) == ({"n": 7}, "k", 1)
    assert builders.only_occurrence(using).status == "succeeded"
    assert builders.ledger_facts(using) == ["due", "started", "succeeded"]


@pytest.mark.parametrize("attempt", [0, 1, 2, 9])
def test_a_message_that_comes_twice_or_out_of_turn_does_nothing(
    using: str, one: Worker, handle: Handle, attempt: int
) -> None:
    ran: list[duly.Occurrence] = []
    handle("call", ran.append)
    claim = queued(using)
    one.process(claim.id, 1)

    assert one.process(claim.id, attempt) == "no-op"

    assert len(ran) == 1
    assert builders.ledger_facts(using) == ["due", "started", "succeeded"]


def test_a_forged_message_does_nothing(using: str, one: Worker) -> None:
    assert one.process(uuid4(), 1) == "no-op"

    assert LedgerEntry.objects.using(using).count() == 0


def test_of_two_that_get_the_same_message_one_runs_it(
    using: str, one: Worker, handle: Handle
) -> None:
    ran: list[duly.Occurrence] = []
    handle("call", ran.append)
    claim = queued(using)
    words: list[str] = []

    def take_part() -> None:
        words.append(one.process(claim.id, 1))

    threads = [threading.Thread(target=take_part) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(words) == ["no-op"] * 7 + ["succeeded"]
    assert len(ran) == 1


def test_what_a_handler_raises_follows_its_policy(using: str, one: Worker, handle: Handle) -> None:
    def fail(occurrence: duly.Occurrence) -> None:
        raise ValueError("line is dead")

    handle("call", fail, retry=Retry(attempts=2))
    claim = queued(using)

    assert one.process(claim.id, 1) == "retried"
    occurrence = builders.only_occurrence(using)
    assert (occurrence.status, occurrence.attempt) == ("pending", 1)
    Occurrence.objects.using(using).update(status="queued")
    assert one.process(claim.id, 2) == "died"
    assert Occurrence.objects.using(using).get(id=claim.id).error.startswith("ValueError: line")


def test_a_snooze_is_no_failure(using: str, one: Worker, handle: Handle) -> None:
    def not_yet(occurrence: duly.Occurrence) -> None:
        raise Snooze(60, reason="not yet")

    handle("call", not_yet)

    assert one.process(queued(using).id, 1) == "snoozed"
    assert builders.only_occurrence(using).forgiven == 1


def test_an_async_handler_is_run_to_its_end(using: str, one: Worker, handle: Handle) -> None:
    loops: list[str] = []

    async def call(occurrence: duly.Occurrence) -> None:
        loops.append(threading.current_thread().name)

    handle("call", call)

    assert one.process(queued(using).id, 1) == "succeeded"
    assert loops == ["duly-event-loop"]


def test_an_atomic_handler_commits_with_its_success(
    using: str, one: Worker, handle: Handle
) -> None:
    def call(occurrence: duly.Occurrence) -> None:
        assert transaction.get_connection(using).in_atomic_block

    handle("call", call, atomic=True)

    assert one.process(queued(using).id, 1) == "succeeded"
    assert builders.only_occurrence(using).status == "succeeded"


def test_what_nobody_here_handles_is_parked_and_spends_no_attempt(using: str, one: Worker) -> None:
    claim = queued(using, "nobodys")

    assert one.process(claim.id, 1) == "parked"

    occurrence = builders.only_occurrence(using)
    assert (occurrence.status, occurrence.attempt) == ("pending", 0)
    assert occurrence.reason == "no handler for 'nobodys'"


def test_what_came_too_late_is_skipped(using: str, one: Worker, handle: Handle) -> None:
    handle("call", lambda occurrence: pytest.fail("it ran"))
    claim = queued(using)
    Occurrence.objects.using(using).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert one.process(claim.id, 1) == "skipped"
    assert builders.only_occurrence(using).status == "skipped"


def test_what_must_not_overlap_waits_for_the_other(using: str, one: Worker, handle: Handle) -> None:
    handle("call", lambda occurrence: None)
    claim = queued(using, handling={"overlap": "buffer_all"})
    other = Occurrence.objects.using(using).get()
    other.id, other.due_at = uuid4(), other.due_at - timedelta(minutes=1)
    other.status, other.attempt = "running", 1
    other.save(using=using, force_insert=True)

    assert one.process(claim.id, 1) == worker.WAITS
    assert Occurrence.objects.using(using).get(id=claim.id).status == "pending"

    Occurrence.objects.using(using).filter(id=other.id).delete()
    Occurrence.objects.using(using).update(status="queued")
    assert one.process(claim.id, 1) == "succeeded"


def test_a_time_limit_of_the_caller_is_a_time_out(using: str, one: Worker, handle: Handle) -> None:
    class TimeIsUp(Exception):
        """As Celery raises it."""

    def call(occurrence: duly.Occurrence) -> None:
        raise TimeIsUp

    handle("call", call, timeout=40)

    assert one.process(queued(using).id, 1, (TimeIsUp,)) == "retried"
    assert builders.only_occurrence(using).error.startswith("TimedOut: ")


def test_a_handler_that_overruns_is_timed_out_and_its_late_result_fenced(
    using: str, one: Worker, handle: Handle
) -> None:
    let_go = threading.Event()

    def hang(occurrence: duly.Occurrence) -> None:
        recorded = Occurrence.objects.using(using).filter(id=occurrence.id)
        while recorded.filter(status="running").exists():
            let_go.wait(0.01)

    handle("call", hang, timeout=0.2)

    assert one.process(queued(using).id, 1) == "fenced"

    occurrence = builders.only_occurrence(using)
    assert (occurrence.status, occurrence.error.partition(":")[0]) == ("pending", "TimedOut")
    assert builders.ledger_facts(using) == ["due", "started", "retried", "fenced"]


def test_a_process_has_one_worker_for_its_settings(using: str) -> None:
    first = worker.current()

    assert worker.current() is first
    first.stop()
    worker._forget()
    assert worker.current() is not first
    worker.current().stop()
    worker._forget()


def test_ids_are_uuids(using: str, one: Worker, handle: Handle) -> None:
    handle("call", lambda occurrence: None)
    claim = queued(using)

    assert one.process(UUID(str(claim.id)), 1) == "succeeded"


def test_gathered_successes_are_written_when_the_process_ends(
    using: str, one: Worker, handle: Handle
) -> None:
    handle("call", lambda occurrence: None)
    claims = [queued(using, key=str(n)) for n in range(3)]

    words = [one.process(claim.id, 1, may_gather=True) for claim in claims]
    one.stop()

    assert words == ["succeeded"] * 3
    statuses = Occurrence.objects.using(using).values_list("status", flat=True)
    assert list(statuses) == ["succeeded"] * 3


def test_a_failure_is_written_before_the_answer_and_never_gathered(
    using: str, one: Worker, handle: Handle
) -> None:
    handle("call", lambda occurrence: 1 / 0, retry=Retry(attempts=1))
    claim = queued(using)

    assert one.process(claim.id, 1, may_gather=True) == "died"

    assert builders.only_occurrence(using).status == "dead"


def test_the_end_of_what_was_handed_over_frees_its_place_at_the_gates(
    using: str, one: Worker, handle: Handle
) -> None:
    handle("call", lambda occurrence: None, limits=Limits(in_flight=1))
    claim = queued(using)
    terms = {"type:call": Terms(Limits(in_flight=1))}
    request = gates.Request(claim, terms, "a queue")
    gates.admit(using, [request], {"a queue": 1}, datetime.now(UTC), lambda: 0.5)
    assert GateEntry.objects.using(using).count() == 1

    one.process(claim.id, 1)

    assert GateEntry.objects.using(using).count() == 0


def _one_let_in_and_one_behind(using: str) -> tuple[Claim, Claim]:
    """Let one of two pass a gate for one, as an engine does before it hands it over."""
    terms = {"type:call": Terms(Limits(in_flight=1))}
    first, second = queued(using, key="1"), queued(using, key="2")
    requests = [gates.Request(claim, terms, "a queue") for claim in (first, second)]
    now = datetime.now(UTC)
    let_in, kept_out = gates.admit(using, requests, {"a queue": 2}, now, lambda: 0.5)
    assert let_in.until is None
    assert kept_out.until is not None
    return first, second


def _wakes_at_once(using: str, claim: Claim) -> bool:
    waiting = Occurrence.objects.using(using).get(id=claim.id)
    assert waiting.wake_at is not None
    return waiting.status == "pending" and waiting.wake_at <= datetime.now(UTC)


def test_what_is_parked_lets_the_next_at_its_gate_begin(using: str, one: Worker) -> None:
    # This process has not the handler whose limit it is.
    first, second = _one_let_in_and_one_behind(using)

    assert one.process(first.id, 1) == "parked"

    assert _wakes_at_once(using, second)


def test_what_is_skipped_lets_the_next_at_its_gate_begin(
    using: str, one: Worker, handle: Handle
) -> None:
    handle("call", lambda occurrence: None, limits=Limits(in_flight=1))
    first, second = _one_let_in_and_one_behind(using)
    late = datetime.now(UTC) - timedelta(seconds=1)
    Occurrence.objects.using(using).filter(id=first.id).update(expires_at=late)

    assert one.process(first.id, 1) == "skipped"

    assert _wakes_at_once(using, second)


def test_what_must_not_overlap_lets_the_next_at_its_gate_begin(
    using: str, one: Worker, handle: Handle
) -> None:
    handle("call", lambda occurrence: None, limits=Limits(in_flight=1))
    first, second = _one_let_in_and_one_behind(using)
    rows = Occurrence.objects.using(using)
    rows.filter(id=first.id).update(handling={"overlap": "buffer_all"})
    other = rows.get(id=first.id)
    other.id, other.due_at = uuid4(), other.due_at - timedelta(minutes=1)
    other.status, other.attempt = "running", 1
    other.save(using=using, force_insert=True)

    assert one.process(first.id, 1) == worker.WAITS

    assert _wakes_at_once(using, second)


def test_a_handler_of_batches_gets_a_batch_of_one(using: str, one: Worker, handle: Handle) -> None:
    sizes: list[int] = []
    handle("call", lambda batch: sizes.append(len(batch)), batch=10)
    claim = queued(using)

    assert one.process(claim.id, 1) == "succeeded"

    assert sizes == [1]
