"""Sagas on a running engine: forward, back, waits, signals, and what people do to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, GiveUp, Retry, SagaBuilder, definitions
from duly.errors import InvalidPayload, InvalidSaga, SagaConflict, SagaNotFound, UnknownSaga
from duly.models import LedgerEntry, Occurrence, Saga, ScheduledEvent
from duly.store.verify import Verified, verify
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]
Define = Callable[..., None]
ONCE = Retry(attempts=1)
SOON = timedelta(milliseconds=300)
DAY = timedelta(days=1)


@pytest.fixture
def define() -> Iterator[Define]:
    """`duly.saga("trip")`, undone after the test."""

    def register(function: Callable[[SagaBuilder], None], name: str = "trip") -> None:
        definitions.forget(name)
        duly.saga(name)(function)

    yield register
    definitions.forget("trip")


class Steps:
    """Handlers that say what they did, and fail where they are told to."""

    def __init__(self, handle: Handle) -> None:
        self.did: list[str] = []
        self.keys: set[str] = set()
        self.payloads: dict[str, Any] = {}
        self._handle = handle

    def are(self, *names: str, **returns: Any) -> None:
        for name in names:
            self._handle(name, self._handler(name, returns.get(name)), retry=ONCE)

    def fail(self, *names: str) -> None:
        for name in names:
            self._handle(name, self._handler(name, GiveUp("no")), retry=ONCE)

    def _handler(self, name: str, value: Any) -> Callable[[duly.Occurrence], Any]:
        def run(occurrence: duly.Occurrence) -> Any:
            self.did.append(name)
            self.keys.add(occurrence.idempotency_key)
            self.payloads[name] = occurrence.payload
            if isinstance(value, Exception):
                raise value
            return value

        return run


@pytest.fixture
def steps(handle: Handle) -> Steps:
    return Steps(handle)


@pytest.fixture
def ended(signals: Signals) -> Callable[[Saga, str], Saga]:
    """Wait until a saga has come to a status; gives it, once the ledger agrees with it all."""

    def wait(saga: Saga, status: str) -> Saga:
        using = saga._state.db
        assert using is not None
        heard = 0
        while True:
            found = duly.find_saga(saga.id)
            if found.status == status:
                break
            heard += 1
            signals.wait("saga.moved", heard)
        assert list(verify(using, Verified())) == []
        return found

    return wait


def statuses(saga: Saga, direction: str = "forward") -> dict[str, str]:
    rows = saga.steps.filter(direction=direction).order_by("position")
    return {row.name: row.status for row in rows}


def test_a_saga_goes_through_its_steps_and_each_adds_to_the_context(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel", service="rooms")
        with saga.parallel():
            saga.step("flight")
            saga.step("car")
        saga.step("tell")

    define(trip)
    steps.are("hotel", "flight", "car", "tell", "no_hotel", hotel={"room": 7}, car="ignored")
    start_engine()

    saga = ended(
        duly.start_saga("trip", context={"who": "Ann"}, entity=("visit", 4), key="v4"), "completed"
    )

    assert saga.context == {"who": "Ann", "room": 7}
    assert (steps.did[0], set(steps.did[1:3]), steps.did[3]) == ("hotel", {"flight", "car"}, "tell")
    assert steps.payloads["hotel"] == {
        "saga": str(saga.id),
        "step": "hotel",
        "context": {"who": "Ann"},
    }
    assert steps.payloads["tell"]["context"] == saga.context
    assert set(statuses(saga).values()) == {"succeeded"}
    events = ScheduledEvent.objects.using(using).filter(key__startswith="saga:")
    assert {(event.entity_type, event.entity_id) for event in events} == {("visit", "4")}
    assert {event.service for event in events if event.event_type == "hotel"} == {"rooms"}
    facts = LedgerEntry.objects.using(using).filter(event_id=saga.id).order_by("id")
    assert [(f.fact, f.data and f.data["status"]) for f in facts] == [
        ("saga_started", "running"),
        ("saga_moved", "completed"),
    ]


def test_a_dead_step_lets_the_others_be_compensated_in_reverse(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.step("flight", compensate="no_flight")
        saga.step("car", compensate="no_car")
        saga.step("tell", compensate="no_tell")

    define(trip)
    steps.are("hotel", "flight", "tell", "no_hotel", "no_flight", "no_car", "no_tell")
    steps.fail("car")
    start_engine()

    saga = ended(duly.start_saga("trip"), "compensated")

    assert steps.did == ["hotel", "flight", "car", "no_flight", "no_hotel"]
    assert saga.reason == "step 'car' died: GiveUp: no"
    assert statuses(saga) == {
        "hotel": "succeeded",
        "flight": "succeeded",
        "car": "failed",
        "tell": "planned",
    }
    assert statuses(saga, "compensation") == {"hotel": "succeeded", "flight": "succeeded"}


def test_the_attempt_under_way_beside_a_dead_step_is_awaited_and_then_compensated(
    using: str, start_engine: Start, define: Define, steps: Steps, handle: Handle, ended: Any
) -> None:
    entered, may_end = threading.Event(), threading.Event()

    def slow(occurrence: duly.Occurrence) -> None:
        entered.set()
        may_end.wait(10)
        steps.did.append("slow")

    def hopeless(occurrence: duly.Occurrence) -> None:
        entered.wait(10)
        raise GiveUp("no")

    def trip(saga: SagaBuilder) -> None:
        with saga.parallel():
            saga.step("slow", compensate="no_slow")
            saga.step("hopeless", compensate="no_hopeless")

    define(trip)
    steps.are("no_slow", "no_hopeless")
    handle("slow", slow)
    handle("hopeless", hopeless)
    start_engine()
    saga = duly.start_saga("trip")

    saga = ended(saga, "compensating")
    assert statuses(saga) == {"slow": "stopping", "hopeless": "failed"}
    assert steps.did == []
    may_end.set()
    saga = ended(saga, "compensated")

    assert steps.did == ["slow", "no_slow"]


def test_a_step_that_waits_for_its_retry_when_another_dies_is_not_tried_again(
    using: str, start_engine: Start, define: Define, steps: Steps, handle: Handle, ended: Any
) -> None:
    failed_once = threading.Event()

    def flaky(occurrence: duly.Occurrence) -> None:
        steps.did.append("flaky")
        failed_once.set()
        raise Retry(after=timedelta(hours=1))

    def hopeless(occurrence: duly.Occurrence) -> None:
        failed_once.wait(10)
        raise GiveUp("no")

    def trip(saga: SagaBuilder) -> None:
        with saga.parallel():
            saga.step("flaky", compensate="no_flaky")
            saga.step("hopeless")

    define(trip)
    steps.are("no_flaky")
    handle("flaky", flaky)
    handle("hopeless", hopeless)
    start_engine()

    saga = ended(duly.start_saga("trip"), "compensated")

    assert statuses(saga) == {"flaky": "failed", "hopeless": "failed"}
    assert steps.did == ["flaky"]


def test_what_may_have_worked_is_compensated_where_its_step_says_so(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    define(lambda saga: saga.step("pay", compensate="refund", compensate_after="attempt"))
    steps.are("refund")
    steps.fail("pay")
    start_engine()

    ended(duly.start_saga("trip"), "compensated")

    assert steps.did == ["pay", "refund"]


def test_a_step_that_overruns_its_time_is_stopped_and_the_saga_goes_back(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.step("flight", timeout=SOON)

    define(trip)
    steps.are("hotel", "no_hotel")
    steps._handle("flight", lambda occurrence: _raise(Retry(after=timedelta(hours=1))))
    start_engine()

    saga = ended(duly.start_saga("trip"), "compensated")

    assert saga.reason == "step 'flight' timed out"
    assert statuses(saga)["flight"] == "failed"
    assert not ScheduledEvent.objects.using(using).filter(status="scheduled").exists()
    assert not Occurrence.objects.using(using).filter(event_type="flight", wake_at__isnull=False)


def test_the_timer_of_a_step_that_ended_is_cancelled(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    define(lambda saga: saga.step("hotel", timeout=DAY))
    steps.are("hotel")
    start_engine()

    saga = ended(duly.start_saga("trip"), "completed")

    assert statuses(saga, "timer") == {"hotel": "cancelled"}
    timer = ScheduledEvent.objects.using(using).get(event_type="duly.saga_timer")
    assert timer.status == "cancelled"


def test_a_saga_waits_for_a_signal_and_its_value_goes_into_the_context(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.wait_for("consent", deadline=DAY)
        saga.step("hotel")

    define(trip)
    steps.are("hotel")
    start_engine()
    saga = duly.start_saga("trip", key="v4")
    assert saga.status == "waiting"

    duly.signal_saga("v4", "consent", {"by": "Ann"}, actor="form")

    saga = ended(saga, "completed")
    assert steps.payloads["hotel"]["context"] == {"consent": {"by": "Ann"}}
    again = duly.signal_saga("v4", "consent", "another")
    assert again.context == {"consent": {"by": "Ann"}}
    signalled = LedgerEntry.objects.using(using).get(fact="saga_signalled")
    assert (signalled.event_id, signalled.actor) == (saga.id, "form")


def test_a_signal_may_come_before_it_is_waited_for(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel")
        saga.wait_for("consent", deadline=DAY)

    define(trip)
    steps.are("hotel")
    saga = duly.start_saga("trip")
    duly.signal_saga(saga.id, "consent")
    start_engine()

    ended(saga, "completed")


def test_a_signal_that_does_not_come_in_time_lets_the_saga_go_back(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.wait_for("consent", deadline=SOON)

    define(trip)
    steps.are("hotel", "no_hotel")
    start_engine()

    saga = ended(duly.start_saga("trip"), "compensated")

    assert saga.reason == "no signal 'consent' came within 0:00:00.300000"
    with pytest.raises(SagaConflict, match="does not wait for 'consent' any more"):
        duly.signal_saga(saga.id, "consent")


def test_a_saga_waits_until_a_civil_time_that_a_step_has_found(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel")
        saga.wait_until("check_in")
        saga.step("tell")

    moment = At.instant(datetime.now(UTC) + 2 * SOON, "Europe/Berlin")
    define(trip)
    steps.are("hotel", "tell", hotel={"check_in": moment})
    start_engine()

    saga = ended(duly.start_saga("trip"), "completed")

    timer = ScheduledEvent.objects.using(using).get(event_type="duly.saga_timer")
    assert timer.execution_timezone == "Europe/Berlin"
    told = saga.steps.get(name="tell")
    assert told.began_at is not None
    assert told.began_at >= moment.moment


def test_a_moment_that_cannot_be_read_lets_the_saga_go_back(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        with saga.parallel():
            saga.wait_until("check_in")
            saga.step("tell", timeout=DAY)

    define(trip)
    steps.are("hotel", "tell", "no_hotel")
    start_engine()

    saga = ended(duly.start_saga("trip", context={"check_in": "soon"}), "compensated")

    assert saga.reason.startswith("the moment of wait 'check_in' cannot be read: a moment must be")
    assert steps.did == ["hotel", "no_hotel"]
    assert statuses(saga)["tell"] == "cancelled"


def test_a_dead_compensation_waits_for_a_person_and_a_replay_goes_on(
    using: str, start_engine: Start, define: Define, steps: Steps, handle: Handle, ended: Any
) -> None:
    is_mended = threading.Event()

    def stubborn(occurrence: duly.Occurrence) -> None:
        if not is_mended.is_set():
            raise GiveUp("no")
        steps.did.append("no_flight")

    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.step("flight", compensate="no_flight")
        saga.step("car")

    define(trip)
    steps.are("hotel", "flight", "no_hotel")
    steps.fail("car")
    handle("no_flight", stubborn)
    start_engine()

    saga = ended(duly.start_saga("trip"), "failed")
    assert "the compensation of step 'flight' died: GiveUp: no" in saga.reason
    assert steps.did == ["hotel", "flight", "car"]
    is_mended.set()
    duly.replay(saga.steps.get(direction="compensation").occurrence_id)
    ended(saga, "compensated")

    assert steps.did == ["hotel", "flight", "car", "no_flight", "no_hotel"]


def test_a_cancelled_saga_compensates_what_is_done(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.wait_for("consent", deadline=DAY)

    define(trip)
    steps.are("hotel", "no_hotel")
    start_engine()
    saga = ended(duly.start_saga("trip"), "waiting")

    duly.cancel_saga(saga.id, reason="she is well again")

    saga = ended(saga, "cancelled")
    assert steps.did == ["hotel", "no_hotel"]
    assert saga.reason == "she is well again"
    assert duly.cancel_saga(saga.id).status == "cancelled"
    assert not ScheduledEvent.objects.using(using).filter(status="scheduled").exists()


def test_a_saga_that_is_cancelled_before_its_first_step_began_does_nothing(
    using: str, define: Define, steps: Steps
) -> None:
    define(lambda saga: saga.step("hotel", compensate="no_hotel"))
    steps.are("hotel", "no_hotel")
    saga = duly.start_saga("trip")

    saga = duly.cancel_saga(saga.id)

    assert saga.status == "cancelled"
    assert statuses(saga) == {"hotel": "cancelled"}
    assert not ScheduledEvent.objects.using(using).filter(status="scheduled").exists()


@pytest.mark.parametrize("how", ["cancel", "entity", "skip"])
def test_a_step_whose_event_is_ended_by_hand_counts_as_failed(
    using: str, define: Define, steps: Steps, how: str
) -> None:
    define(lambda saga: saga.step("hotel", compensate="no_hotel", timeout=DAY))
    steps.are("hotel", "no_hotel")
    saga = duly.start_saga("trip", entity=("visit", 4))
    event = ScheduledEvent.objects.using(using).get(event_type="hotel")

    match how:
        case "cancel":
            duly.cancel_event(event.id)
        case "entity":
            duly.cancel_entity_events("visit", 4)
        case _:
            duly.skip_firing(event.id)

    saga = duly.find_saga(saga.id)
    assert (saga.status, saga.reason) == ("compensated", "step 'hotel' was cancelled by hand")
    assert statuses(saga) == {"hotel": "cancelled"}


def test_compensations_are_not_cancelled_with_the_events_of_their_entity(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel", compensate="no_hotel")
        saga.wait_for("consent", deadline=DAY)

    define(trip)
    steps.are("hotel", "no_hotel")
    engine = start_engine()
    saga = ended(duly.start_saga("trip", entity=("visit", 4)), "waiting")
    engine.stop()

    duly.cancel_saga(saga.id)
    duly.cancel_entity_events("visit", 4)
    start_engine()

    ended(saga, "cancelled")


def test_a_signal_whose_timer_is_cancelled_by_hand_is_not_waited_for_for_ever(
    using: str, define: Define
) -> None:
    define(lambda saga: saga.wait_for("consent", deadline=DAY))
    saga = duly.start_saga("trip", entity=("visit", 4))

    duly.cancel_entity_events("visit", 4)

    assert duly.find_saga(saga.id).status == "compensated"


def test_a_step_that_is_moved_or_paused_by_hand_is_awaited(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    define(lambda saga: saga.step("hotel"))
    steps.are("hotel")
    saga = duly.start_saga("trip")
    event = ScheduledEvent.objects.using(using).get(event_type="hotel")

    duly.pause_event(event.id)
    duly.resume_event(event.id)
    duly.move_firing(event.id, datetime.now(UTC) + SOON)
    start_engine()

    ended(saga, "completed")


def test_an_atomic_step_records_itself_and_the_next_one_together(
    using: str, start_engine: Start, define: Define, steps: Steps, handle: Handle, ended: Any
) -> None:
    def trip(saga: SagaBuilder) -> None:
        saga.step("hotel")
        saga.step("tell")

    define(trip)
    steps.are("tell")
    handle("hotel", lambda occurrence: {"room": 7}, atomic=True)
    start_engine()

    saga = ended(duly.start_saga("trip"), "completed")

    assert saga.context == {"room": 7}


async def _find_room(occurrence: duly.Occurrence) -> dict[str, int]:
    return {"room": 8}


def test_an_async_step_adds_to_the_context_too(
    using: str, start_engine: Start, define: Define, handle: Handle, ended: Any
) -> None:
    define(lambda saga: saga.step("hotel"))
    handle("hotel", _find_room)
    start_engine()

    assert ended(duly.start_saga("trip"), "completed").context == {"room": 8}


def test_a_return_that_is_not_json_fails_the_attempt(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    define(lambda saga: saga.step("hotel"))
    steps.are("hotel", hotel={"room": object()})
    start_engine()

    saga = ended(duly.start_saga("trip"), "compensated")

    assert "InvalidPayload: payload['room'] is not JSON" in saga.reason


def test_a_saga_under_way_ends_by_the_definition_that_it_began_with(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    def before(saga: SagaBuilder) -> None:
        saga.step("hotel")
        saga.step("tell")

    def after(saga: SagaBuilder) -> None:
        saga.step("car")

    steps.are("hotel", "tell", "car")
    define(before)
    old = duly.start_saga("trip")
    define(after)
    new = duly.start_saga("trip")
    start_engine()

    ended(old, "completed")
    ended(new, "completed")

    assert sorted(steps.did) == ["car", "hotel", "tell"]
    assert old.version != new.version


def test_the_same_key_gives_the_same_saga(using: str, define: Define, steps: Steps) -> None:
    define(lambda saga: saga.step("hotel"))
    steps.are("hotel")

    one, other = (duly.start_saga("trip", key="v4") for _ in range(2))

    assert one.id == other.id
    assert Saga.objects.using(using).count() == 1
    with pytest.raises(SagaConflict, match="exists already"):
        duly.start_saga("trip", key="v4", on_conflict="raise")


def test_a_stored_definition_that_cannot_be_read_stops_its_saga_and_nothing_else(
    using: str, start_engine: Start, define: Define, steps: Steps, ended: Any
) -> None:
    define(lambda saga: saga.step("hotel"))
    steps.are("hotel")
    broken, whole = duly.start_saga("trip"), duly.start_saga("trip")
    Saga.objects.using(using).filter(id=broken.id).update(definition={"v": 99})
    start_engine()

    ended(whole, "completed")
    (occurrence,) = Occurrence.objects.using(using).filter(
        event__key__startswith=f"saga:{broken.id}"
    )
    assert occurrence.status == "succeeded"
    broken.refresh_from_db()
    assert (broken.status, broken.reason) == ("failed", "saga version must be 1, got 99")


def test_wrong_input_is_refused(using: str, define: Define, settings: Any) -> None:
    define(lambda saga: saga.wait_for("consent", deadline=DAY))
    saga = duly.start_saga("trip", key="v4")

    with pytest.raises(UnknownSaga, match="did you mean 'trip'"):
        duly.start_saga("tripp")
    with pytest.raises(InvalidPayload):
        duly.start_saga("trip", context={"x": object()})
    with pytest.raises(InvalidSaga, match="waits for no signal 'consnet'; it waits for 'consent'"):
        duly.signal_saga(saga.id, "consnet")
    with pytest.raises(SagaNotFound, match="has the id or the key 'v5'"):
        duly.find_saga("v5")
    with pytest.raises(InvalidSaga, match="status must be one of"):
        duly.list_sagas(status="sleeping")
    define(lambda saga: saga.step("nobody_does"), "trip")
    settings.DULY = {"DATABASE": using}
    with pytest.raises(duly.DulyError, match="no handler is registered"):
        duly.start_saga("trip")


def test_two_functions_cannot_define_one_saga() -> None:
    def one(saga: SagaBuilder) -> None:
        saga.step("a")

    def two(saga: SagaBuilder) -> None:
        saga.step("b")

    duly.saga("twice")(one)
    try:
        with pytest.raises(InvalidSaga, match="is defined twice"):
            duly.saga("twice")(two)
    finally:
        definitions.forget("twice")


def _raise(error: Exception) -> None:
    raise error
