"""What holds an engine back, or makes it speak: the environment, and its host's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

import duly
from duly import At, clock
from duly.cli.main import main
from duly.engine import guard
from duly.models import Occurrence
from tests.builders import NOW
from tests.engine.conftest import Signals

LEASE = timedelta(seconds=30)

Start = Callable[..., Any]
Handle = Callable[..., None]


def due_now() -> At:
    return At.instant(datetime.now(UTC))


def test_the_first_engine_stamps_the_database_and_others_like_it_fire(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    handle("remind", lambda occurrence: None)
    duly.schedule_event("remind", due_now())

    start_engine(environment="production")
    signals.wait("occurrences.recorded")

    assert guard.stamped_environment(using) == "production"


def test_an_engine_of_another_environment_fires_nothing_until_it_is_released(
    using: str,
    start_engine: Start,
    handle: Handle,
    signals: Signals,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard.release(using, "production", clock.now(using))
    handle("remind", lambda occurrence: None)
    duly.schedule_event("remind", due_now())
    start_engine(environment="staging")

    told = signals.wait("engine.held")
    assert told == {"environment": "staging", "database": "production"}
    assert not Occurrence.objects.using(using).exists()

    settings.DULY = {"DATABASE": using, "STRICT": False, "ENVIRONMENT": "staging"}
    assert main(["release"]) == 0
    assert "the database is staging's now, and was production's" in capsys.readouterr().out
    signals.wait("occurrences.recorded")


def test_an_engine_without_an_environment_is_never_held(
    using: str, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    guard.release(using, "production", clock.now(using))
    handle("remind", lambda occurrence: None)
    duly.schedule_event("remind", due_now())

    start_engine()

    signals.wait("occurrences.recorded")


def test_there_is_nothing_to_release_where_no_environment_is_named(
    using: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release"]) == 2
    assert "DULY['ENVIRONMENT'] is empty" in capsys.readouterr().err


@pytest.mark.parametrize("offset", [-300.0, 300.0])
def test_a_host_whose_clock_is_minutes_off_says_so(
    using: str, signals: Signals, monkeypatch: pytest.MonkeyPatch, offset: float
) -> None:
    watch = guard.ClockWatch(using, clock.current(), LEASE)
    monkeypatch.setattr(clock, "host_now", lambda: datetime.now(UTC) + timedelta(seconds=offset))

    watch.look()

    told = signals.wait("clock.offset")
    assert told["offset_seconds"] == pytest.approx(offset, abs=1)


def test_a_host_whose_clock_is_right_says_nothing(using: str, signals: Signals) -> None:
    guard.ClockWatch(using, clock.current(), LEASE).look()

    assert signals.counts["clock.offset"] == 0


class HandClock:
    """A database's clock, set by hand; its host's agrees with it until told otherwise."""

    def __init__(self) -> None:
        self.at = 0.0
        self.moved = 0.0
        self.doubted = 0.0
        self.host_offset = 0.0

    def now(self, using: str = "") -> datetime:
        return NOW + timedelta(seconds=self.at + self.moved)

    def host_now(self) -> datetime:
        return self.now() + timedelta(seconds=self.host_offset)

    def doubt(self, using: str) -> timedelta:
        return timedelta(seconds=self.doubted)

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    clock_by_hand = HandClock()
    monkeypatch.setattr(clock, "host_now", clock_by_hand.host_now)
    return clock_by_hand


def watch_of(hands: HandClock) -> guard.ClockWatch:
    watch = guard.ClockWatch("", cast("clock.Clock", hands), LEASE)
    watch.look()
    return watch


def test_a_step_of_the_hosts_clock_is_told_at_the_next_look(
    hands: HandClock, signals: Signals
) -> None:
    watch = watch_of(hands)
    hands.at, hands.host_offset = 0.5, 300.0

    watch.look()

    assert signals.fields["clock.offset"] == {"offset_seconds": 300.0}


def test_a_host_that_stays_off_is_told_once_a_minute(hands: HandClock, signals: Signals) -> None:
    hands.host_offset = -5.0
    watch = watch_of(hands)

    for _ in range(239):
        hands.at += 0.5
        watch.look()

    assert signals.counts["clock.offset"] == 2


def test_a_doubt_is_told_once_and_so_is_its_end_with_how_far_time_has_moved(
    hands: HandClock, signals: Signals
) -> None:
    watch = watch_of(hands)
    for _ in range(3):
        hands.at, hands.doubted = hands.at + 1.0, -300.0
        watch.look()
    hands.at, hands.doubted, hands.moved = hands.at + 1.0, 0.0, -300.0

    watch.look()

    assert signals.fields["clock.jumped"] == {"offset_seconds": -300.0}
    assert signals.fields["clock.settled"] == {"offset_seconds": -300.0}
    assert (signals.counts["clock.jumped"], signals.counts["clock.settled"]) == (1, 1)


def test_no_lease_is_judged_in_doubt_nor_for_a_minute_and_a_lease_after(
    hands: HandClock,
) -> None:
    watch = watch_of(hands)
    assert watch.trusts_leases()

    hands.doubted = 300.0
    watch.look()
    hands.at = 1000.0
    watch.look()
    assert not watch.trusts_leases()
    hands.doubted, hands.at = 0.0, 1010.0
    watch.look()
    hands.at += clock.CONFIRM_SECONDS + LEASE.total_seconds() - 0.1
    watch.look()
    assert not watch.trusts_leases()
    hands.at += 0.2
    assert watch.trusts_leases()
