"""What the doctor says that the volume calls for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from duly.conf import config
from duly.doctor import growth
from duly.doctor.findings import Finding, Level, Patient
from duly.doctor.growth import Load
from duly.store.backends import open_store
from tests import builders
from tests.builders import NOW, OTHER_HOLDER
from tests.doctor.conftest import Look, worst
from tests.doctor.test_work import ended, later
from tests.store.test_engines import engine


def words(found: list[Finding]) -> str:
    return " ".join(f"{one.found} {one.fix}" for one in found)


def test_little_calls_for_nothing(look: Look, using: str) -> None:
    ended(using)

    assert worst(look("evolution", now=later(10))) is Level.OK


@pytest.mark.parametrize("when", [-timedelta(hours=5), timedelta(hours=5)])
def test_a_busy_hour_is_seen_before_and_after_it(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch, when: timedelta
) -> None:
    monkeypatch.setattr(growth, "BUSY_HOUR", 2)
    for _ in range(2):
        builders.stored_event(using, NOW)
    now = NOW - when + timedelta(minutes=30)
    if when < timedelta(0):
        builders.claim(open_store(using), NOW)
    engine(using, beat_at=now)

    found = look("evolution", now=now)

    assert worst(found) is Level.WARN
    assert "start a second one" in words(found)


@pytest.mark.parametrize(
    ("load", "vendor", "engines", "level", "asked"),
    [
        pytest.param(Load(0, False), "sqlite", 1, Level.OK, "less than", id="little"),
        pytest.param(Load(1_000, False), "sqlite", 2, Level.WARN, "PostgreSQL", id="sqlite"),
        pytest.param(Load(10_000, False), "sqlite", 2, Level.FAIL, "PostgreSQL", id="much-sqlite"),
        pytest.param(Load(1_000, False), "postgresql", 1, Level.WARN, "second one", id="one"),
        pytest.param(Load(1_000, False), "postgresql", 2, Level.OK, "1,000 an hour", id="two"),
        pytest.param(Load(10_000, False), "postgresql", 2, Level.WARN, "Celery's", id="workers"),
        pytest.param(
            Load(10_000, True), "postgresql", 2, Level.WARN, "duly partition", id="months"
        ),
    ],
)
def test_each_threshold_calls_for_its_next_step(
    look: Look,
    using: str,
    monkeypatch: pytest.MonkeyPatch,
    load: Load,
    vendor: str,
    engines: int,
    level: Level,
    asked: str,
) -> None:
    monkeypatch.setattr(growth, "load_of", lambda patient: load)
    monkeypatch.setattr(growth, "is_partitioned", lambda using: False)
    for holder in [builders.HOLDER, OTHER_HOLDER][:engines]:
        engine(using, holder=holder)

    found = look("evolution", vendor=vendor)

    assert worst(found) is level
    assert asked in words(found)


def test_a_service_with_workers_of_its_own_is_what_was_called_for(
    look: Look, using: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DULY |= {"SERVICES": {"reports": {"target": "celery"}}}
    monkeypatch.setattr(growth, "load_of", lambda patient: Load(10_000, False))
    engine(using)
    engine(using, holder=OTHER_HOLDER)

    assert worst(look("evolution", vendor="postgresql")) is Level.OK


def test_a_minute_of_a_very_busy_hour_is_looked_into(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BUSY_HOUR", "VERY_BUSY_HOUR", "BUSY_MINUTE"):
        monkeypatch.setattr(growth, name, 2)
    for _ in range(2):
        builders.stored_event(using, later(3600))

    load = growth.load_of(Patient(using, "postgresql", NOW, config()))

    assert load == Load(2, True)


@pytest.mark.parametrize(("dead", "level"), [(0, Level.OK), (1, Level.WARN), (2, Level.FAIL)])
def test_a_share_that_dies_is_told(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch, dead: int, level: Level
) -> None:
    monkeypatch.setattr(growth, "LEAST", 1)
    monkeypatch.setattr(growth, "FAR_TOO_MANY_DEAD_SHARE", 0.4)
    for number in range(4):
        ended(using, dies=number < dead)

    assert worst(look("failures", now=later(1))) is level


@pytest.mark.parametrize(
    ("late", "level"), [(0.2, Level.OK), (5.0, Level.WARN), (100.0, Level.FAIL)]
)
def test_a_mean_delay_calls_for_more_engines(
    look: Look, using: str, late: float, level: Level
) -> None:
    ended(using, timedelta(seconds=late))

    assert worst(look("delay", now=later(200))) is level
