"""When a process can do its work, and what it says where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from django.db import OperationalError

from duly.engine.loop import Engine
from duly.service import readiness
from duly.service.readiness import Check, Readiness
from tests import builders

MINUTE = timedelta(minutes=1)


@dataclass
class SomeEngine:
    """As much of an engine as is asked."""

    up: bool = True

    def is_up(self) -> bool:
        """Say what it was told to."""
        return self.up


def looked(using: str, engine: SomeEngine | None, longest: timedelta = MINUTE) -> dict[str, Any]:
    """Look once, and give what a client reads."""
    found = Readiness(using, cast(Engine | None, engine), longest).look()
    return {name: check.to_json() for name, check in found.items()}


def late_by(using: str, late: timedelta) -> None:
    """Store an event that has been due so long."""
    builders.stored_event(using, datetime.now(UTC) - late)


def test_all_is_well_where_nothing_waits(database: str) -> None:
    assert looked(database, SomeEngine()) == {
        "database": {"ok": True},
        "engine": {"ok": True},
        "lateness": {"ok": True, "seconds": 0.0},
    }


def test_a_firing_that_is_too_late_is_told_with_its_age(database: str) -> None:
    late_by(database, 2 * MINUTE)

    lateness = looked(database, SomeEngine())["lateness"]

    assert lateness["problem"] == "the oldest firing is more than 60 s late"
    assert 120 <= lateness["seconds"] < 180
    assert lateness["ok"] is False


def test_a_firing_that_is_a_little_late_is_nothing_to_tell(database: str) -> None:
    late_by(database, MINUTE / 2)

    assert looked(database, SomeEngine())["lateness"]["ok"] is True


@pytest.mark.parametrize(
    ("engine", "longest"),
    [
        pytest.param(None, MINUTE, id="no-engine-here"),
        pytest.param(SomeEngine(), timedelta(0), id="however-late"),
    ],
)
def test_lateness_can_be_of_no_account(
    database: str, engine: SomeEngine | None, longest: timedelta
) -> None:
    late_by(database, 2 * MINUTE)

    lateness = looked(database, engine, longest)["lateness"]

    assert lateness["ok"] is True
    assert lateness["seconds"] >= 120


def test_an_engine_that_does_not_look_is_told(database: str) -> None:
    assert looked(database, SomeEngine(up=False))["engine"] == {
        "ok": False,
        "problem": "does not look for what is due",
    }


def test_without_an_engine_here_it_is_told_whether_one_fires_elsewhere(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked(database, None)["elsewhere"] == {"ok": True, "is_firing": False}

    monkeypatch.setattr(readiness, "is_firing", lambda using, now: True)

    assert looked(database, None)["elsewhere"] == {"ok": True, "is_firing": True}
    assert "elsewhere" not in looked(database, SomeEngine())


def test_a_database_that_is_away_is_told_without_its_name(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> timedelta:
        raise OperationalError("connection to server at db.internal, user duly failed")

    monkeypatch.setattr(readiness, "oldest", fail)

    found = looked(database, SomeEngine())

    assert found["database"]["problem"] == "does not answer (OperationalError)"
    assert "lateness" not in found


def test_the_database_is_looked_at_once_however_many_ask(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def count(*arguments: object) -> timedelta:
        looks.append(arguments)
        return timedelta(0)

    monkeypatch.setattr(readiness, "oldest", count)
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 60.0)
    one = Readiness(database, None, MINUTE)

    assert [one.look() for _ in range(5)] == [one.look()] * 5
    assert len(looks) == 1


def test_who_asks_while_a_look_hangs_is_answered_all_the_same(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.01)
    one = Readiness(database, None, MINUTE)

    with one._lock:
        found = one.look()

    assert found == {"database": Check("has not answered yet")}
