"""Checks of the settings, and of the database server: its version, and what it promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import ERROR as DJANGOS_ERROR
from django.core.checks import CheckMessage
from django.db import connections

from duly.checks import check_settings, check_sqlite
from duly.doctor.findings import Finding, Needs, Patient, check, fail, ok, warn

OLDEST_POSTGRES = 14
# PRAGMA synchronous: with less than FULL, what was acknowledged may be gone after a power cut.
FULL = 2


@check("settings", needs=Needs.NOTHING)
def settings(patient: Patient) -> Iterable[Finding]:
    """What `manage.py check` says of duly."""
    return _told(check_settings()) or [ok("DULY can be read, and USE_TZ is on")]


@check("database", needs=Needs.CONNECTION)
def database(patient: Patient) -> Iterable[Finding]:
    """Which database it is, and whether it keeps what it has acknowledged."""
    if patient.is_postgres:
        return _postgres(patient)
    if patient.vendor == "sqlite":
        return _sqlite(patient)
    return [warn(f"{patient.vendor} is not tried by duly's tests", "use PostgreSQL or SQLite")]


@check("skip locked", needs=Needs.TABLES)
def skip_locked(patient: Patient) -> Finding:
    """Whether engines can take what others have not locked."""
    if not patient.is_postgres:
        return ok("not needed: one writer at a time")
    with connections[patient.using].cursor() as cursor:
        cursor.execute("SELECT id FROM duly_scheduledevent LIMIT 1 FOR UPDATE SKIP LOCKED")
    return ok("FOR UPDATE SKIP LOCKED works")


def _postgres(patient: Patient) -> Iterator[Finding]:
    number = int(_value(patient, "SHOW server_version_num")) // 10_000
    version = _value(patient, "SHOW server_version")
    if number < OLDEST_POSTGRES:
        yield fail(
            f"PostgreSQL {version}", f"upgrade it: duly needs PostgreSQL {OLDEST_POSTGRES} or newer"
        )
    if _value(patient, "SELECT pg_is_in_recovery()"):
        yield fail("it is a read replica", "name the primary in DULY['DATABASE']")
    for name, harm in (
        ("fsync", "a crash of the server can destroy all of it"),
        ("full_page_writes", "a power cut can destroy all of it"),
    ):
        if _value(patient, f"SHOW {name}") == "off":
            yield fail(f"{name} is off: {harm}", f"set {name} = on in postgresql.conf")
    commit = _value(patient, "SHOW synchronous_commit")
    if commit == "off":
        yield warn(
            f"PostgreSQL {version}, synchronous_commit is off: what was acknowledged in the last "
            "second may be gone after a crash",
            "set synchronous_commit = on for this database",
        )
    else:
        yield ok(f"PostgreSQL {version}, synchronous_commit {commit}")


def _sqlite(patient: Patient) -> Iterator[Finding]:
    told = list(_told(check_sqlite(databases=[patient.using])))
    yield from told
    version = _value(patient, "SELECT sqlite_version()")
    mode = _value(patient, "PRAGMA journal_mode")
    if int(_value(patient, "PRAGMA synchronous")) < FULL:
        yield warn(
            f"SQLite {version}, synchronous is not FULL: what was acknowledged may be gone after "
            "a power cut",
            f"add 'PRAGMA synchronous=FULL' to DATABASES[{patient.using!r}]['OPTIONS']"
            "['init_command']",
        )
    elif not told:
        yield ok(f"SQLite {version}, journal {mode}, synchronous FULL")


def _told(messages: Iterable[CheckMessage]) -> list[Finding]:
    return [
        (fail if one.level >= DJANGOS_ERROR else warn)(f"{one.id}: {one.msg}", one.hint or "")
        for one in messages
    ]


def _value(patient: Patient, statement: str) -> Any:
    with connections[patient.using].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
