"""What the doctor says of the database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from duly.conf import config
from duly.doctor import database, listening, tables
from duly.doctor.findings import Level, Patient, checks
from duly.store.wakeups import own_connection
from tests.builders import NOW
from tests.doctor.conftest import Look, worst
from tests.faults.campaign.network import Pooler, why_no_pooler

WELL = {
    "SHOW server_version_num": "170002",
    "SHOW server_version": "17.2",
    "SELECT pg_is_in_recovery()": False,
    "SHOW fsync": "on",
    "SHOW full_page_writes": "on",
    "SHOW synchronous_commit": "on",
    "SELECT sqlite_version()": "3.50",
    "PRAGMA journal_mode": "wal",
    "PRAGMA synchronous": 2,
}


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        pytest.param({}, Level.OK, "PostgreSQL 17.2, synchronous_commit on", id="well"),
        pytest.param(
            {"SHOW synchronous_commit": "off"}, Level.WARN, "may be gone", id="asynchronous"
        ),
        pytest.param({"SHOW fsync": "off"}, Level.FAIL, "fsync is off", id="no-fsync"),
        pytest.param({"SHOW full_page_writes": "off"}, Level.FAIL, "power cut", id="torn-pages"),
        pytest.param({"SHOW server_version_num": "130001"}, Level.FAIL, "PostgreSQL", id="old"),
        pytest.param({"SELECT pg_is_in_recovery()": True}, Level.FAIL, "replica", id="replica"),
    ],
)
def test_a_postgres_that_does_not_keep_its_word_is_told(
    look: Look, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], level: Level, words: str
) -> None:
    monkeypatch.setattr(database, "_value", lambda patient, asked: (WELL | said)[asked])

    found = look("database", vendor="postgresql")

    assert worst(found) is level
    assert words in found[0].found
    assert bool(found[0].fix) == (level is not Level.OK)


def test_an_sqlite_that_may_forget_after_a_power_cut_is_told(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if using != "default":
        pytest.skip("SQLite's own")
    assert worst(look("database")) is Level.OK

    said = WELL | {"PRAGMA synchronous": 1}
    monkeypatch.setattr(database, "_value", lambda patient, asked: said[asked])

    assert worst(look("database")) is Level.WARN


def test_any_other_database_is_told(look: Look) -> None:
    assert worst(look("database", vendor="oracle")) is Level.WARN


@pytest.mark.parametrize(
    ("settings_dict", "level"),
    [
        pytest.param({"CONCURRENCY": 0}, Level.FAIL, id="bad-value"),
        pytest.param({}, Level.OK, id="well"),
    ],
)
def test_settings_that_do_not_work_are_told(
    look: Look, settings: Any, settings_dict: dict[str, Any], level: Level
) -> None:
    patient = Patient("default", "sqlite", NOW, config())
    settings.DULY = settings_dict

    (found, *_) = checks["settings"].examine(patient)  # type: ignore[misc]

    assert found.level is level


def test_rows_that_are_locked_are_skipped(look: Look) -> None:
    assert worst(look("skip locked")) is Level.OK


def test_a_notification_is_heard(look: Look, using: str) -> None:
    found = look("listen")

    assert worst(found) is Level.OK
    assert ("was heard after" in found[0].found) == (using == "postgres")


def test_a_pooler_that_swallows_notifications_is_told(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if using != "postgres":
        pytest.skip("PostgreSQL's own")
    parameters = connections[using].get_connection_params()
    # As through a pooler: what listens is another server's session, here another database's.
    monkeypatch.setattr(
        listening, "own_connection", lambda given: _plain(parameters) | {"dbname": "postgres"}
    )
    monkeypatch.setattr(listening, "HEARD_SECONDS", 0.2)

    assert worst(look("listen")) is Level.WARN


@pytest.mark.skipif(bool(why_no_pooler()), reason=why_no_pooler())
def test_a_real_pgbouncer_in_transaction_mode_is_told(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if using != "postgres":
        pytest.skip("PostgreSQL's own")
    monkeypatch.setattr(listening, "HEARD_SECONDS", 0.5)
    settings_dict = connections[using].settings_dict
    name, there = settings_dict["NAME"], settings_dict
    url = f"postgresql://{there['USER']}:{there['PASSWORD']}@{there['HOST']}:{there['PORT']}/{name}"
    with Pooler(url) as pooler:
        # Django, and an engine's own connection, through the pooler, as a project has it.
        pooled = settings_dict | {"PORT": str(pooler.port), "DISABLE_SERVER_SIDE_CURSORS": True}
        connections.databases["pooled"] = pooled
        try:
            (found,) = look("listen", using="pooled", vendor="postgresql")
        finally:
            connections["pooled"].close()
            del connections["pooled"]
            del connections.databases["pooled"]

    assert found.level is Level.WARN
    assert "a pooler in transaction mode is in between" in found.found
    assert "DULY['LISTEN'] = False" in found.fix


def test_no_listening_is_as_the_settings_say(look: Look, settings: Any, using: str) -> None:
    settings.DULY = {"DATABASE": using, "LISTEN": False}

    assert worst(look("listen")) is Level.OK


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return own_connection(parameters)


def test_a_transaction_that_stays_open_is_told(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if using != "postgres":
        assert worst(look("open transactions")) is Level.OK
        return
    opened, end = threading.Event(), threading.Event()

    def hold() -> None:
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1")
            opened.set()
            end.wait(30)
            cursor.execute("ROLLBACK")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        opened.wait(10)
        assert worst(look("open transactions")) is Level.OK
        monkeypatch.setattr(tables, "LONG_TRANSACTION", timedelta(0))
        assert worst(look("open transactions")) is Level.WARN
        monkeypatch.setattr(tables, "VERY_LONG_TRANSACTION", timedelta(0))
        found = look("open transactions")
        assert worst(found) is Level.FAIL
        assert "pg_terminate_backend(" in found[0].fix
    finally:
        end.set()
        holder.join()
