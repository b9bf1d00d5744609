"""How far ahead an engine starts, and from where it looks: decisions without a database."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from duly import registry
from duly.clock import Reading
from duly.conf import Config
from duly.engine.execute import Attempt
from duly.engine.executors.hand_over import HandOver
from duly.engine.executors.pace import MOST_AHEAD, Pace
from duly.engine.executors.slots import Slots
from duly.engine.floor import FULL_LOOK_SECONDS, HEARD_SECONDS, Floor
from duly.engine.leases import Leases
from duly.engine.options import EngineOptions
from duly.engine.plan import Room
from duly.engine.routes import Route, Routes
from duly.policy.outcome import NotEntered, Succeeded, decide
from duly.policy.retry import Retry
from duly.policy.service import Service
from duly.services import Registry
from duly.store.rows import FINISHED, Advance, Birth, DueEvent
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("took", "ahead"),
    [
        pytest.param([], 0, id="nothing-has-ended"),
        pytest.param([30.0] * 16, 0, id="handlers-of-half-a-minute-that-end-together"),
        pytest.param([0.05] * 20, 16, id="of-fifty-milliseconds"),
        pytest.param([0.0] * 1000, MOST_AHEAD, id="handlers-that-do-nothing"),
    ],
)
def test_as_much_is_started_ahead_as_ends_in_a_moment(took: list[float], ahead: int) -> None:
    pace = Pace(16, 100.0)
    for seconds in took:
        pace.ended(seconds)

    assert pace.ahead(100.1) == ahead


def test_a_pace_that_breaks_down_is_noticed() -> None:
    pace = Pace(16, 100.0)
    pace.ended(0.001)
    assert pace.ahead(100.1) > 0

    assert pace.ahead(102.0) == 0


def test_the_first_look_is_a_full_one_and_the_next_begins_where_it_ended() -> None:
    floor = Floor()

    assert floor.since(0.0) is None
    floor.reached(NOW, None, 0.0)
    assert floor.since(1.0) == NOW


def test_a_look_that_could_not_come_to_its_end_is_followed_by_a_full_one() -> None:
    floor = Floor()
    floor.reached(NOW, None, 0.0)

    assert floor.since(FULL_LOOK_SECONDS) is None
    assert floor.since(FULL_LOOK_SECONDS + 0.1) is None


def test_what_is_heard_of_is_looked_for_until_that_is_done_and_a_moment_longer() -> None:
    floor = Floor()
    floor.reached(NOW, None, 0.0)
    earlier = NOW - timedelta(days=1)

    floor.heard_of(earlier, 1.0)
    floor.heard_of(NOW + SECOND, 1.0)

    assert floor.since(3.0) == earlier
    floor.reached(NOW, earlier, 1.0 + HEARD_SECONDS / 2)
    assert floor.since(3.0) == earlier
    floor.reached(NOW, earlier, 1.1 + HEARD_SECONDS)
    assert floor.since(3.0) == NOW


def test_a_word_that_names_no_instant_brings_a_full_look() -> None:
    floor = Floor()
    floor.reached(NOW, None, 0.0)

    floor.heard_of(None, 1.0)

    assert floor.since(1.0) is None


class _Places:
    """A number of places, for any handler."""

    def __init__(self, free: int) -> None:
        self.free = free

    def room(self) -> int:
        return self.free

    def reserve(self, most: int) -> int:
        return min(most, self.free)

    def give_back(self, places: int) -> None: ...


def _room(free: int, held: int) -> Room:
    places: Any = _Places(free)
    slots = Slots()
    slots.reserve(places, free)
    delivery: Any = SimpleNamespace(plain=places, asynchronous=places)
    return Room(Routes(Registry(), delivery), slots, held)


@pytest.fixture
def known() -> Any:
    registry.handler("known")(lambda occurrence: None)
    yield "known"
    registry.unregister("known")


def _due(event_type: str, *, late: timedelta = SECOND, handling: Any = None) -> DueEvent:
    return DueEvent(uuid4(), event_type, {}, NOW - late, handling or {})


def test_what_is_due_begins_as_long_as_there_are_slots_and_is_then_left(known: str) -> None:
    room = _room(1, held=10)

    births = [room.birth(_due(known), FINISHED, NOW, NOW) for _ in range(2)]

    assert births == [Birth.RUNNING, Birth.LEFT]
    assert (room.held, room.left_at) == (10, NOW - SECOND)


@pytest.mark.parametrize(
    ("event", "advance"),
    [
        pytest.param(_due("known", late=-SECOND), FINISHED, id="not-due-yet"),
        pytest.param(_due("unknown"), FINISHED, id="nobody-handles-it-here"),
        pytest.param(_due("known", handling={"overlap": "skip"}), FINISHED, id="exclusive"),
        pytest.param(_due("known"), Advance(None, expires_at=NOW - SECOND), id="expired"),
    ],
)
def test_what_cannot_begin_with_its_birth_is_held(
    known: str, event: DueEvent, advance: Advance
) -> None:
    room = _room(10, held=1)

    births = [room.birth(event, advance, NOW, NOW) for _ in range(2)]

    assert births == [Birth.QUEUED, Birth.LEFT]


def test_what_is_to_be_handed_over_is_held_as_others_are_until_it_is_due() -> None:
    place: Any = _Places(10)
    far = HandOver("far", lambda: place, lambda claims: None)
    routes: Any = SimpleNamespace(find=lambda *names: Route(far, None, Service(name="far")))
    slots = Slots()
    slots.reserve(far, 10)
    room = Room(routes, slots, held=1)

    births = [room.birth(_due("x", late=late), FINISHED, NOW, NOW) for late in [-SECOND] * 2]

    assert births == [Birth.QUEUED, Birth.LEFT]
    assert room.birth(_due("x"), FINISHED, NOW, NOW) is Birth.QUEUED


def _leases(clock: ManualClock) -> tuple[Leases, list[Any]]:
    ended: list[Any] = []
    leases = Leases(
        cast("Any", type("_Store", (), {"using": "default"})()),
        clock,
        EngineOptions.of(Config()),
        held=list,
        lost=lambda ids: None,
        ended=lambda attempt, outcome: ended.append(outcome),
    )
    return leases, ended


def _attempt(clock: ManualClock, lease: timedelta, expires_at: datetime | None = None) -> Attempt:
    registration = registry.Registration(
        "known", lambda occurrence: None, Retry(), timedelta(seconds=5), False, False, None
    )
    of_claim = {"id": uuid4(), "handling": {}, "expires_at": expires_at}
    claim = cast("Any", type("_Claim", (), of_claim)())
    began = Reading(clock.now("default"), clock.monotonic())
    kept_until = clock.monotonic() + lease.total_seconds()
    return Attempt(claim, registration, 1, Retry(), registration.timeout, began, kept_until)


def test_an_attempts_time_is_counted_from_when_its_handler_begins() -> None:
    clock = ManualClock(NOW)
    leases, _ = _leases(clock)
    attempt = _attempt(clock, 30 * SECOND)
    leases.add([attempt])
    clock.move(3 * SECOND)

    assert leases.enter(attempt)

    assert attempt.ends_at == NOW + 8 * SECOND


def test_a_handler_does_not_begin_once_its_lease_may_have_run_out() -> None:
    clock = ManualClock(NOW)
    leases, ended = _leases(clock)
    attempt = _attempt(clock, 30 * SECOND)
    leases.add([attempt])
    clock.move(30 * SECOND)

    assert not leases.enter(attempt)

    assert (leases.running(), ended) == ([], [NotEntered()])


def test_a_handler_does_not_begin_once_it_is_too_late_for_it() -> None:
    clock = ManualClock(NOW)
    leases, ended = _leases(clock)
    attempt = _attempt(clock, 30 * SECOND, expires_at=NOW + SECOND)
    leases.add([attempt])
    clock.move(2 * SECOND)

    assert not leases.enter(attempt)

    assert ended == [NotEntered()]


def test_what_was_never_entered_counts_for_no_attempt_and_waits_for_nothing() -> None:
    decision = decide(NotEntered(), 1, Retry(attempts=1), NOW, lambda: 0.5)

    assert (decision.status, decision.wake_at, decision.forgiven) == ("pending", NOW, True)


def test_a_handler_does_not_begin_once_its_attempt_was_ended() -> None:
    clock = ManualClock(NOW)
    leases, _ = _leases(clock)
    attempt = _attempt(clock, 30 * SECOND)
    leases.add([attempt])
    leases.end(attempt, Succeeded())

    assert not leases.enter(attempt)
