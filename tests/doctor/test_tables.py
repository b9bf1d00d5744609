"""What the doctor says of the tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from duly.doctor import tables
from duly.doctor.findings import Level
from duly.models import LedgerEntry
from duly.store import seals
from duly.store.backends import open_store
from tests import builders
from tests.builders import NOW
from tests.doctor.conftest import Look, worst


def test_migrations_that_are_missing_are_named(look: Look, using: str) -> None:
    assert worst(look("migrations")) is Level.OK
    recorder = MigrationRecorder(connections[using])
    latest = max(name for app, name in recorder.applied_migrations() if app == "duly")
    recorder.record_unapplied("duly", latest)
    try:
        found = look("migrations")
    finally:
        recorder.record_applied("duly", latest)

    assert worst(found) is Level.FAIL
    assert latest in found[0].found


def test_a_database_that_is_ahead_is_told(look: Look, using: str) -> None:
    recorder = MigrationRecorder(connections[using])
    recorder.record_applied("duly", "0999_later")
    try:
        assert worst(look("migrations")) is Level.WARN
    finally:
        recorder.record_unapplied("duly", "0999_later")


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        pytest.param([("duly_occurrence", 10, 900)], Level.OK, id="few"),
        pytest.param([("duly_occurrence", 9_000_000, 60_000)], Level.OK, id="small-share"),
        pytest.param([("duly_occurrence", 100_000, 90_000)], Level.WARN, id="many"),
        pytest.param([("duly_occurrence", 10_000, 90_000)], Level.FAIL, id="most"),
    ],
)
def test_dead_rows_that_nobody_clears_away_are_told(
    look: Look, monkeypatch: pytest.MonkeyPatch, rows: list[Any], level: Level
) -> None:
    def answer(patient: Any, statement: str) -> list[Any]:
        return [("on",)] if statement.startswith("SHOW") else rows

    monkeypatch.setattr(tables, "_rows", answer)

    assert worst(look("vacuum", vendor="postgresql")) is level


def test_autovacuum_that_is_off_is_told(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_rows", lambda patient, statement: [("off",)])

    assert worst(look("vacuum", vendor="postgresql")) is Level.FAIL


def test_vacuum_is_asked_of_the_server_itself(look: Look) -> None:
    assert worst(look("vacuum")) is Level.OK


def test_much_that_is_kept_for_ever_is_told(
    look: Look, using: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worst(look("volume")) is Level.OK

    monkeypatch.setattr(tables, "LARGE_BYTES", 10)
    monkeypatch.setattr(tables, "LARGE_SQLITE_BYTES", 10)
    assert worst(look("volume")) is Level.WARN

    settings.DULY |= {"RETENTION_DAYS": 90}
    assert worst(look("volume")) is Level.OK


def test_a_ledger_that_nobody_seals_is_told(look: Look, using: str) -> None:
    builders.running(open_store(using))

    assert worst(look("ledger")) is Level.OK
    assert worst(look("ledger", now=NOW + timedelta(minutes=12))) is Level.WARN
    assert worst(look("ledger", now=NOW + timedelta(hours=2))) is Level.FAIL


def test_a_ledger_that_was_changed_is_told(look: Look, using: str) -> None:
    builders.running(open_store(using))
    later = NOW + timedelta(minutes=2)
    while seals.seal(using, later):
        pass
    assert worst(look("ledger", now=later)) is Level.OK

    LedgerEntry.objects.using(using).update(actor="somebody")

    found = look("ledger", now=later)
    assert worst(found) is Level.FAIL
    assert "are not as they were sealed" in found[0].found
