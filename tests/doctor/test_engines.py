"""What the doctor says of the engines, their clocks and their time zone data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly import clock as clocks
from duly.civil import zones
from duly.civil.freshness import least_age
from duly.doctor import time_zones
from duly.doctor.findings import Level
from duly.engine import guard
from duly.store import stamps
from tests import builders
from tests.builders import NOW, OTHER_HOLDER
from tests.doctor.conftest import Look, worst
from tests.store.test_engines import engine


def test_no_engine_is_a_failure_and_a_silent_one_a_warning(look: Look, using: str) -> None:
    assert worst(look("engines")) is Level.FAIL

    engine(using, tzdata_release=zones.current().release)
    assert worst(look("engines")) is Level.OK

    engine(using, holder=OTHER_HOLDER, beat_at=NOW - timedelta(minutes=5))
    found = look("engines")
    assert worst(found) is Level.WARN
    assert "the last 5 min ago: process 1 on one" in found[0].found


def test_engines_of_two_releases_are_told(look: Look, using: str) -> None:
    engine(using)
    engine(using, holder=OTHER_HOLDER, version="2")

    found = look("engines")

    assert worst(found) is Level.WARN
    assert "1, 2" in found[0].found


def test_another_environments_database_is_told(look: Look, using: str, settings: Any) -> None:
    assert worst(look("environment")) is Level.OK
    guard.release(using, "production", NOW)
    settings.DULY |= {"ENVIRONMENT": "staging"}

    assert worst(look("environment")) is Level.FAIL


@pytest.mark.parametrize(
    ("offset", "level"),
    [(0.2, Level.OK), (-3.0, Level.WARN), (900.0, Level.FAIL)],
)
def test_a_host_whose_clock_is_off_is_told(
    look: Look, using: str, offset: float, level: Level
) -> None:
    engine(using, host="db-2", clock_offset=offset)

    found = look("clocks")

    assert worst(found) is level
    assert level is Level.OK or found[0].found.startswith("db-2 is ")


def test_this_hosts_clock_is_looked_at_as_well(look: Look, monkeypatch: Any) -> None:
    monkeypatch.setattr(clocks, "host_now", lambda: datetime.now(UTC) + timedelta(seconds=20))

    found = look("clocks")

    assert "this host is 20.0 s ahead of" in found[0].found


@pytest.mark.parametrize(
    ("release", "days"),
    [("2026f", 0), ("2025c", 151), ("2024a", 516), ("unknown", None), ("9999a", None)],
)
def test_a_release_is_as_old_as_its_year_is_over(release: str, days: int | None) -> None:
    age = least_age(release, NOW)

    assert (None if age is None else age.days) == days


@pytest.mark.parametrize(
    ("age", "level"),
    [
        pytest.param(timedelta(0), Level.OK, id="of-this-year"),
        pytest.param(timedelta(days=100), Level.WARN, id="old"),
        pytest.param(timedelta(days=400), Level.FAIL, id="very-old"),
        pytest.param(None, Level.WARN, id="unknown"),
    ],
)
def test_old_time_zone_data_is_told(
    look: Look, monkeypatch: pytest.MonkeyPatch, age: timedelta | None, level: Level
) -> None:
    monkeypatch.setattr(time_zones, "least_age", lambda release, now: age)

    assert worst(look("tz data")) is level


def test_engines_and_events_of_other_releases_are_told(look: Look, using: str) -> None:
    own = zones.current().release
    engine(using, tzdata_release=own)
    assert worst(look("tz agreement")) is Level.OK

    engine(using, holder=OTHER_HOLDER, tzdata_release="2020a")
    assert worst(look("tz agreement")) is Level.WARN

    stamps.write(using, stamps.TZDATA, {"release": "2999a"}, NOW)
    assert worst(look("tz agreement")) is Level.FAIL


def test_events_that_follow_other_data_are_told(look: Look, using: str) -> None:
    builders.stored_event(using, tzdata_fingerprint="of another release")

    found = look("tz agreement")

    assert worst(found) is Level.WARN
    assert "events in UTC follow other data" in found[0].found
