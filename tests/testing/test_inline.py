"""What is due is run within a test, as an engine would, in the transaction that is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

import duly
from duly import At, GiveUp, Retry, SagaBuilder, clock, definitions
from duly.models import Occurrence
from duly.store.verify import Verified, verify
from duly.testing.inline import NeverIdle, run_due
from duly.testing.manual_clock import ManualClock, standing_still
from tests.engine.conftest import handle, using

__all__ = ["handle", "using"]

NOW = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
Handle = Callable[..., None]


@pytest.fixture(autouse=True)
def still() -> Iterator[ManualClock]:
    with standing_still(NOW) as manual:
        yield manual


def schedule(event_type: str, after: timedelta = timedelta(0), **fields: Any) -> None:
    duly.schedule_event(event_type, At.instant(NOW + after), **fields)


def statuses(ran: list[Occurrence]) -> list[tuple[str, str]]:
    return [(one.event_type, one.status) for one in ran]


def test_what_is_due_is_run_and_what_is_not_waits_for_the_clock(
    using: str, handle: Handle, still: ManualClock
) -> None:
    seen: list[Any] = []
    handle("call", lambda occurrence: seen.append(occurrence.payload))
    schedule("call", timedelta(hours=1), payload="later")
    schedule("call", payload="now")

    assert statuses(run_due()) == [("call", "succeeded")]
    assert seen == ["now"]
    assert run_due() == []

    still.move(timedelta(hours=1))
    run_due()
    assert seen == ["now", "later"]


def test_a_test_transaction_holds_the_event_and_its_effects(using: str, handle: Handle) -> None:
    handle("call", lambda occurrence: schedule("follow", key="follow"))
    handle("follow", lambda occurrence: None, atomic=True)
    with transaction.atomic(using):
        schedule("call")

        assert statuses(run_due()) == [("call", "succeeded"), ("follow", "succeeded")]
        transaction.set_rollback(True, using)

    assert not Occurrence.objects.using(using).exists()


def test_what_fails_is_tried_again_once_its_wait_is_over(
    using: str, handle: Handle, still: ManualClock
) -> None:
    attempts: list[int] = []

    def fail(occurrence: duly.Occurrence) -> None:
        attempts.append(occurrence.attempt)
        raise ValueError("no")

    handle("call", fail, retry=Retry(attempts=2, base=timedelta(minutes=1)))
    schedule("call")

    (occurrence,) = run_due()
    assert (occurrence.status, attempts) == ("pending", [1])
    still.move(timedelta(minutes=1))
    assert statuses(run_due()) == [("call", "dead"), ("duly.occurrence_died", "succeeded")]
    assert attempts == [1, 2]


def test_a_saga_goes_through_its_steps(using: str, handle: Handle) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.step("flight")

    def fail(occurrence: duly.Occurrence) -> None:
        raise GiveUp("no seat")

    definitions.forget("trip")
    duly.saga("trip")(trip)
    did: list[str] = []
    for name in ("hotel", "no_hotel"):
        handle(name, lambda occurrence: did.append(occurrence.event_type))
    handle("flight", fail)
    saga = duly.start_saga("trip")

    run_due()
    definitions.forget("trip")

    assert did == ["hotel", "no_hotel"]
    assert duly.find_saga(saga.id).status == "compensated"
    assert list(verify(using, Verified())) == []


def test_a_handler_of_batches_gets_together_what_is_due(using: str, handle: Handle) -> None:
    sizes: list[int] = []
    handle("many", lambda occurrences: sizes.append(len(occurrences)), batch=2, within=60)
    handle("call", lambda occurrence: None)
    for event_type in ("many", "call", "many", "many"):
        schedule(event_type)

    assert len(run_due()) == 4
    assert sizes == [2, 1]


def test_an_async_handler_is_run(using: str, handle: Handle) -> None:
    async def call(occurrence: duly.Occurrence) -> None:
        await duly.aschedule_event("follow", At.instant(NOW))

    handle("call", call)
    handle("follow", lambda occurrence: None)
    schedule("call")

    assert statuses(run_due()) == [("call", "succeeded"), ("follow", "succeeded")]


def test_what_has_expired_or_has_no_handler_is_told_and_not_run(
    using: str, handle: Handle, still: ManualClock
) -> None:
    handle("call", lambda occurrence: None)
    schedule("call", expires_after=timedelta(minutes=1))
    schedule("unknown")

    still.move(timedelta(minutes=2))

    ran = {one.event_type: (one.status, one.reason) for one in run_due()}
    assert ran == {
        "call": ("skipped", "expired"),
        "unknown": ("pending", "no handler for 'unknown'"),
    }


def test_what_never_ends_is_told(using: str, handle: Handle) -> None:
    handle("call", lambda occurrence: schedule("call"))
    schedule("call")

    with pytest.raises(NeverIdle, match="more than 20 attempts were due at 2027-03-27T12:00"):
        run_due(most=20)


def test_the_clock_before_is_in_use_again_afterwards(using: str) -> None:
    before = clock.current()

    with standing_still(NOW) as manual:
        manual.move_to(NOW + timedelta(days=1))
        assert clock.now(using) == NOW + timedelta(days=1)

    assert clock.current() is before
