"""What each index and constraint costs for each event, in CPU of the database's own process.

Runs the engine's own statements (births, starts, results in batches of 500) over the same events,
with one index or constraint left out, or doubled where nothing works without it, in turn. CPU is
read from /proc, so that what else runs on the machine hardly matters; Linux only.

    python -m benchmarks.write_costs [--events 20000] [--rounds 3] [--only TEXT]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import django
from django.conf import settings

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
HOLDER = UUID(int=1)
BATCH = 500
TICKS = os.sysconf("SC_CLK_TCK")
PHASES = ("birth", "start", "finish")


def drop_constraint(table: str, *names: str) -> list[str]:
    return [f"ALTER TABLE {table} DROP CONSTRAINT {name}" for name in names]


OCCURRENCE_CHECKS = (
    "status_known", "attempt_not_negative", "forgiven_are_attempts", "wake_at_iff_live",
    "running_has_attempt", "finished_at_iff_ended",
)  # fmt: skip
EVENT_CHECKS = (
    "status_known", "next_at_iff_scheduled", "next_wall_time_iff_next_at", "type_given",
    "on_tzdata_change_known", "entity_whole",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to lay out the tables, or to write to them."""

    name: str
    statements: tuple[str, ...] = ()
    adds: bool = False
    """It has something more; the cost is then what it takes longer."""
    patch: Callable[[], Any] | None = None


def variants() -> list[Variant]:
    """Everything that is measured; the names of Django's own are looked up."""
    fk, fk_index = _names()
    occurrence, event, ledger = "duly_occurrence", "duly_scheduledevent", "duly_ledgerentry"
    checks = drop_constraint(occurrence, *(f"duly_occurrence_{one}" for one in OCCURRENCE_CHECKS))
    event_checks = drop_constraint(event, *(f"duly_event_{one}" for one in EVENT_CHECKS))
    fill = "ALTER TABLE {} SET (fillfactor = {})".format
    return [
        Variant("occurrence: FK event (trigger)", tuple(drop_constraint(occurrence, fk))),
        Variant("occurrence: index event_id", (f"DROP INDEX {fk_index}",)),
        Variant("occurrence: index wake_at", ("DROP INDEX duly_occurrence_wake_at",)),
        Variant(
            "occurrence: unique (event, due_at) [twin]",
            (f"CREATE UNIQUE INDEX twin ON {occurrence} (event_id, due_at)",),
            adds=True,
        ),
        Variant(
            "occurrence: primary key [twin]",
            (f"CREATE UNIQUE INDEX twin ON {occurrence} (id)",),
            adds=True,
        ),
        Variant("occurrence: its 6 CHECKs", tuple(checks)),
        Variant("event: index next_at", ("DROP INDEX duly_event_next_at",)),
        Variant("event: index zone", ("DROP INDEX duly_event_zone",)),
        Variant("event: index entity", ("DROP INDEX duly_event_entity",)),
        Variant("event: unique (service, key)", tuple(drop_constraint(event, "duly_event_key_unique"))),
        Variant("event: its 6 CHECKs", tuple(event_checks)),
        Variant("ledger: index (event, id)", ("DROP INDEX duly_ledger_event",)),
        Variant("ledger: primary key [twin]", (f"CREATE UNIQUE INDEX twin ON {ledger} (id)",), adds=True),
        Variant("ledger: its CHECK", tuple(drop_constraint(ledger, "duly_ledger_fact_given"))),
        Variant("occurrence: fillfactor 100", (fill(occurrence, 100),)),
        Variant("occurrence: fillfactor 70", (fill(occurrence, 70),)),
        Variant("occurrence: fillfactor 50", (fill(occurrence, 50),)),
        Variant("start keeps wake_at", patch=lambda: start_that_keeps_wake_at("")),
        Variant("start keeps wake_at, ff 70", (fill(occurrence, 70),), patch=lambda: start_that_keeps_wake_at("")),
        Variant("start keeps wake_at, ff 50", (fill(occurrence, 50),), patch=lambda: start_that_keeps_wake_at("")),
        Variant("event: fillfactor 100", (fill(event, 100),)),
        Variant("event: fillfactor 70", (fill(event, 70),)),
        Variant("random ids (uuid4)", patch=random_ids, adds=True),
        Variant("all that is proposed", (
            f"DROP INDEX {fk_index}", fill(occurrence, 70)), patch=lambda: start_that_keeps_wake_at("")),
    ]  # fmt: skip


def _names() -> tuple[str, str]:
    rows = _sql(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'duly_occurrence'::regclass"
        " AND contype = 'f'"
    )
    index = _sql(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'duly_occurrence'"
        " AND indexdef LIKE '%(event_id)'"
    )
    return rows[0][0], index[0][0] if index else "nothing"


@contextmanager
def start_that_keeps_wake_at(_: str) -> Iterator[None]:
    """Leave the lease of the claim as it is: the new version of the row stays on its page."""
    from duly.store import postgres

    original = postgres.statement

    def changed(name: str) -> str:
        text = original(name)
        return text.replace("wake_at = %(lease_until)s,", "") if name == "start" else text

    postgres.statement = changed  # type: ignore[assignment]
    try:
        yield
    finally:
        postgres.statement = original


@contextmanager
def random_ids() -> Iterator[None]:
    from duly.store import postgres

    original = postgres.new_id
    postgres.new_id = lambda now: uuid4()
    try:
        yield
    finally:
        postgres.new_id = original


def _sql(text: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []


EVENTS = """
INSERT INTO duly_scheduledevent
    (id, service, event_type, key, entity_type, entity_id, payload, rule, execution_timezone,
     user_timezone, resource_timezone, tzdata_fingerprint, exceptions, handling, status, reason,
     next_at, next_wall_time, next_resolution, created_at, updated_at)
SELECT {id}, 'default', 'reminder', 'appointment:' || n, 'appointment', n::text,
       '{{"channel": "sms", "text": "your appointment is tomorrow at nine"}}',
       '{{"kind": "at", "local": "2026-06-01T12:00:00", "tz": "UTC"}}', 'Europe/Berlin',
       'Australia/Sydney', 'Europe/Berlin', repeat('a', 64), '[]', '{{}}', 'scheduled', '',
       %(now)s::timestamptz + n * interval '1 millisecond', '2026-06-01T12:00:00', 'plain',
       %(now)s, %(now)s
FROM generate_series(1, %(count)s) n
"""
# Version 7 in SQL: 48 bits of time, then random.
ORDERED_ID = """(lpad(to_hex((extract(epoch FROM %(now)s::timestamptz) * 1000)::bigint + n / 20), 12, '0')
    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid"""
RANDOM_ID = "gen_random_uuid()"


@dataclass
class Measured:
    """CPU in seconds and bytes of WAL for each phase, and how rows were updated."""

    cpu: dict[str, float]
    wal: dict[str, int]
    hot: dict[str, str]


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far; schedstat counts nanoseconds, stat hundredths."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def measure(count: int, order: bool = True) -> Measured:
    from duly.policy.outcome import Decision
    from duly.policy.states import OccurrenceStatus
    from duly.store.postgres import PostgresStore
    from duly.store.rows import Advance, Result

    _sql("TRUNCATE duly_scheduledevent, duly_occurrence, duly_ledgerentry")
    _sql(EVENTS.format(id=ORDERED_ID if order else RANDOM_ID), {"now": NOW, "count": count})
    _sql("ANALYZE duly_scheduledevent")
    _sql("CHECKPOINT")
    _sql("SELECT pg_stat_reset()")
    pid = _sql("SELECT pg_backend_pid()")[0][0]
    store = PostgresStore("default")
    cpu: dict[str, float] = {}
    wal: dict[str, int] = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        before, position = cpu_of(pid), _sql("SELECT pg_current_wal_insert_lsn()")[0][0]
        yield
        cpu[name] = cpu_of(pid) - before
        wal[name] = int(
            _sql("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", [position])[0][0]
        )

    claims = []
    until = NOW + timedelta(hours=1)
    with phase("birth"):
        while born := store.claim_due(
            now=NOW,
            until=until,
            limit=BATCH,
            lease_until=NOW + LEASE,
            holder=HOLDER,
            advance=lambda event: Advance(None),
        ):
            claims.append(born)
    _sql("VACUUM ANALYZE duly_occurrence")
    decision = Decision(OccurrenceStatus.SUCCEEDED, "succeeded", None, "")
    with phase("start"):
        for some in claims:
            store.start(
                some, now=NOW, lease_until=NOW + LEASE + timedelta(seconds=1), holder=HOLDER
            )
    # Else the planner thinks that nothing runs, and reads the table for each batch.
    _sql("VACUUM ANALYZE duly_occurrence")
    with phase("finish"):
        for some in claims:
            results = [Result(claim.id, claim.event_id, 1, decision) for claim in some]
            assert len(store.finish(results, now=NOW)) == len(some)
    _sql("SELECT pg_stat_force_next_flush()")
    rows = _sql(
        "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relname IN ('duly_occurrence', 'duly_scheduledevent')"
    )
    return Measured(cpu, wal, {name: f"{hot}/{updated}" for name, updated, hot in rows})


@contextmanager
def laid_out(variant: Variant) -> Iterator[None]:
    """Change the tables for a while: the schema is saved in a template, and made anew after."""
    from contextlib import nullcontext

    for statement in variant.statements:
        _sql(statement)
    with variant.patch() if variant.patch else nullcontext():
        yield


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    from duly.service.database_url import database_from_url
    from duly.testing.postgres_server import PostgresServer

    with PostgresServer(durable=True) as server, _no_autovacuum(server):
        settings.configure(
            DATABASES={"default": database_from_url(server.create_database("template_duly"))},
            INSTALLED_APPS=["duly"],
            USE_TZ=True,
            DULY={"STRICT": False},
        )
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        print(_sql("SHOW server_version")[0][0], f"{options.events} events", file=sys.stderr)
        chosen = [Variant("as it is"), *(v for v in variants() if options.only in v.name)]
        found: dict[str, list[Measured]] = defaultdict(list)
        connection.close()
        for number in range(options.rounds):
            for variant in chosen if number % 2 == 0 else reversed(chosen):
                _fresh(server)
                with laid_out(variant):
                    found[variant.name].append(
                        measure(options.events, "random ids" not in variant.name)
                    )
                print(".", end="", file=sys.stderr, flush=True)
        connection.close()
    _report(chosen, found, options.events)


@contextmanager
def _no_autovacuum(server: Any) -> Iterator[None]:
    """Vacuum when we say so: two runs are alike only then."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET autovacuum = off")
        admin.execute("ALTER SYSTEM SET shared_buffers = '256MB'")
    server.restart()
    yield


def _fresh(server: Any) -> None:
    """Begin with the tables as the migrations make them."""
    import psycopg
    from django.db import connection

    connection.close()
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS work WITH (FORCE)")
        admin.execute("CREATE DATABASE work TEMPLATE template_duly")
    connection.settings_dict["NAME"] = "work"


def _report(chosen: list[Variant], found: dict[str, list[Measured]], events: int) -> None:
    def micros(name: str, phase: str) -> float:
        # The least: what disturbs only ever adds.
        return min(one.cpu[phase] for one in found[name]) * 1e6 / events

    def wal(name: str, phase: str) -> float:
        return statistics.median(one.wal[phase] for one in found[name]) / events

    print(
        "| | birth | start | finish | sum, us of CPU an event | WAL bytes an event | HOT, occurrence | event |"
    )
    print("|---|---|---|---|---|---|---|---|")
    base = {phase: micros("as it is", phase) for phase in PHASES}
    base_wal = sum(wal("as it is", phase) for phase in PHASES)
    for variant in chosen:
        each = {phase: micros(variant.name, phase) for phase in PHASES}
        bytes_ = sum(wal(variant.name, phase) for phase in PHASES)
        hot = found[variant.name][0].hot
        if variant.name != "as it is":
            sign = 1 if variant.adds else -1
            each = {phase: sign * (each[phase] - base[phase]) for phase in PHASES}
            bytes_ = sign * (bytes_ - base_wal)
        cells = " | ".join(f"{each[phase]:.1f}" for phase in PHASES)
        print(
            f"| {variant.name} | {cells} | **{sum(each.values()):.1f}** | {bytes_:.0f} "
            f"| {hot.get('duly_occurrence')} | {hot.get('duly_scheduledevent')} |"
        )


if __name__ == "__main__":
    main()
