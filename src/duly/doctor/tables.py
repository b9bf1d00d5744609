"""Checks of the tables: their migrations, their care, their size, and the ledger's seals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.migrations.loader import MigrationLoader

from duly.doctor.findings import Finding, Needs, Patient, check, fail, ok, warn
from duly.doctor.words import size, span
from duly.store import seals

MOST_NAMED = 3
LONG_TRANSACTION = timedelta(minutes=5)
VERY_LONG_TRANSACTION = timedelta(hours=1)
# Below this many, dead rows cost nothing that anybody could measure.
LEAST_DEAD_ROWS = 50_000
LARGE_BYTES = 10 * 2**30
LARGE_SQLITE_BYTES = 2**30
STALE_SEAL = timedelta(minutes=10)
VERY_STALE_SEAL = timedelta(hours=1)
# Of the newest seals so many are computed again: some thousand rows each.
SEALS_VERIFIED = 2


@check("migrations", needs=Needs.CONNECTION)
def migrations(patient: Patient) -> Finding:
    """Whether the tables are as this release wants them."""
    loader = MigrationLoader(connections[patient.using])
    known = {name for app, name in loader.disk_migrations if app == "duly"}
    applied = {name for app, name in loader.applied_migrations if app == "duly"}
    missing = sorted(known - applied)
    if missing:
        fix = f"run 'manage.py migrate --database {patient.using}', or start a standalone engine"
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        return fail(f"not applied: {', '.join(missing[:MOST_NAMED])}{more}", fix)
    if ahead := sorted(applied - known):
        return warn(
            f"applied, and unknown to this release: {', '.join(ahead)}",
            "upgrade duly here as well: a newer release has been at this database",
        )
    return ok(f"all {len(applied)} applied")


@check("open transactions", needs=Needs.CONNECTION)
def open_transactions(patient: Patient) -> Finding:
    """Whether a transaction keeps vacuum from its work, and statements slow."""
    if not patient.is_postgres:
        return ok("looked at on PostgreSQL only")
    rows = _rows(
        patient,
        "SELECT extract(epoch FROM clock_timestamp() - xact_start), pid, application_name, state"
        " FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        " ORDER BY xact_start LIMIT 1",
    )
    age = timedelta(seconds=float(rows[0][0])) if rows else timedelta(0)
    if age < LONG_TRANSACTION:
        return ok(f"the oldest is {span(age)} old")
    _, pid, name, state = rows[0]
    found = f"one of process {pid} ({name or 'unnamed'}, {state}) is open for {span(age)}"
    fix = f"end it: SELECT pg_terminate_backend({pid}), and set idle_in_transaction_session_timeout"
    return (fail if age >= VERY_LONG_TRANSACTION else warn)(found, fix)


@check("vacuum", needs=Needs.TABLES)
def vacuum(patient: Patient) -> Iterable[Finding]:
    """Whether autovacuum keeps up."""
    if not patient.is_postgres:
        return [ok("looked at on PostgreSQL only")]
    if _rows(patient, "SHOW autovacuum")[0][0] == "off":
        return [fail("autovacuum is off", "set autovacuum = on in postgresql.conf")]
    rows = _rows(
        patient,
        "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables"
        " WHERE relname LIKE 'duly\\_%%' ORDER BY n_dead_tup DESC LIMIT 20",
    )
    return list(_vacuum(rows)) or [ok(f"at most {rows[0][2] if rows else 0} dead rows in a table")]


def _vacuum(rows: Iterable[tuple[str, int, int]]) -> Iterator[Finding]:
    for name, live, dead in rows:
        if dead < LEAST_DEAD_ROWS or 5 * dead < live:
            continue
        fix = f"see 'open transactions'; VACUUM {name}; give autovacuum more workers"
        found = f"{name} has {dead} dead rows beside {live} living"
        yield (fail if dead > 2 * live else warn)(found, fix)


@check("volume", needs=Needs.TABLES)
def volume(patient: Patient) -> Finding:
    """How much is stored, and whether it goes one day."""
    taken, rows, largest = _volume(patient)
    found = f"{size(taken)}{f', some {rows} rows' if rows else ''}"
    kept = patient.config.retention_days
    if taken > largest and not kept:
        return warn(
            f"{found}, and nothing is ever deleted",
            "set DULY['RETENTION_DAYS'], or run 'duly prune' now and then",
        )
    return ok(f"{found}, kept {f'{kept} days' if kept else 'for ever'}")


def _volume(patient: Patient) -> tuple[int, int, int]:
    """Give bytes, about how many rows, and from how many bytes on they are many."""
    if patient.is_postgres:
        taken, rows = _rows(
            patient,
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint,"
            " coalesce(sum(greatest(reltuples, 0)), 0)::bigint"
            " FROM pg_class WHERE relkind = 'r' AND relname LIKE 'duly\\_%%'",
        )[0]
        return taken, rows, LARGE_BYTES
    name = str(connections[patient.using].settings_dict["NAME"])
    files = [Path(name + ending) for ending in ("", "-wal")]
    return sum(file.stat().st_size for file in files if file.is_file()), 0, LARGE_SQLITE_BYTES


@check("ledger")
def ledger(patient: Patient) -> Iterable[Finding]:
    """Whether the ledger is sealed up to now, and its newest seals are unbroken."""
    found = [
        fail(wrong, "run 'duly ledger verify'; somebody has changed the ledger, or lost rows")
        for wrong in seals.verify_newest(patient.using, SEALS_VERIFIED)
    ]
    behind = seals.behind(patient.using, patient.now)
    if behind >= STALE_SEAL:
        said = f"not sealed since {span(behind)}"
        level = fail if behind >= VERY_STALE_SEAL else warn
        found.append(level(said, "engines seal it every minute: see 'engines', and their logs"))
    return found or [ok("sealed up to now, and the newest seals are unbroken")]


def _rows(patient: Patient, statement: str) -> list[tuple[Any, ...]]:
    with connections[patient.using].cursor() as cursor:
        cursor.execute(statement, [])
        return list(cursor.fetchall())
