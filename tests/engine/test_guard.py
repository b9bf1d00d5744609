"""What holds an engine back, or makes it speak: the environment, and its host's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, clock
from duly.cli.main import main
from duly.engine import guard
from duly.models import Occurrence
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
