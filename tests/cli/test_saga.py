"""`duly saga`: what it shows, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

import duly
from duly import SagaBuilder, definitions
from duly.cli.main import main
from duly.models import ScheduledEvent

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}

    def trip(saga: SagaBuilder) -> None:
        saga.wait_for("consent", deadline=timedelta(days=2))
        saga.step("hotel", compensate="no_hotel")

    duly.saga("trip")(trip)
    yield database
    definitions.forget("trip")


def test_a_saga_is_shown_with_what_each_step_waits_for(cli: Cli, using: str) -> None:
    saga = duly.start_saga("trip", key="v4", entity=("visit", 4), context={"who": "Ann"})

    code, out, _ = cli("saga", "show", "v4")

    assert code == 0
    assert f"trip v4 is waiting, version {saga.version}" in out
    assert ["about: visit:4" in out, 'context: {"who": "Ann"}' in out] == [True, True]
    assert "consent  running" in out
    assert "its deadline is due at " in out
    assert "hotel    planned" in out


def test_a_paused_step_says_why_its_saga_stands(cli: Cli, using: str) -> None:
    duly.start_saga("trip", key="v4")
    duly.signal_saga("v4", "consent")
    event = ScheduledEvent.objects.using(using).get(event_type="hotel")
    duly.pause_event(event.id, note="the hotel is on fire")

    shown = json.loads(cli("saga", "show", "v4", "--json")[1])

    hotel = shown["steps"][1]
    assert (hotel["name"], hotel["event_id"]) == ("hotel", str(event.id))
    assert hotel["reason"] == "its event is paused: the hotel is on fire"


def test_sagas_are_listed_by_status(cli: Cli, using: str) -> None:
    duly.start_saga("trip", key="v4")
    duly.start_saga("trip", key="v5")
    duly.cancel_saga("v5", reason="no time")

    listed = json.loads(cli("saga", "list", "--status", "cancelled", "--json")[1])

    assert [(one["key"], one["reason"]) for one in listed] == [("v5", "no time")]
    assert "v4" in cli("saga", "list")[1]
    assert cli("saga", "list", "--name", "other")[1] == "No saga is like that.\n"


def test_a_signal_is_given_unless_it_is_rehearsed(cli: Cli, using: str) -> None:
    duly.start_saga("trip", key="v4")

    rehearsed = cli("saga", "signal", "v4", "consent", "--value", '{"by": "Ann"}', "--dry-run")
    assert rehearsed[:2] == (0, "trip v4 would be running\n")
    assert duly.find_saga("v4").status == "waiting"
    assert cli("saga", "signal", "v4", "consent", "--value", '{"by": "Ann"}')[0] == 0

    assert duly.find_saga("v4").context == {"consent": {"by": "Ann"}}


def test_a_saga_is_cancelled_and_one_that_is_not_there_is_1(cli: Cli, using: str) -> None:
    duly.start_saga("trip", key="v4")

    assert cli("saga", "cancel", "v4", "--reason", "no time")[1] == "trip v4 is cancelled\n"
    assert cli("saga", "signal", "v4", "consent")[0] == 1
    code, _, error = cli("saga", "cancel", "v9")

    assert code == 1
    assert "no saga has the id or the key 'v9'" in error
