"""A month of history, dropped and deleted side by side; and what partitions cost the engine.

python -m benchmarks.partitions prune [--occurrences 500000]
python -m benchmarks.partitions writes [--events 10000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django
from django.conf import settings

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
BEFORE = datetime(2026, 7, 2, tzinfo=UTC)
NOW = datetime(2026, 9, 30, tzinfo=UTC)

# Nine in ten fire once; the others are a hundred firings each of events that go on. A few are
# dead. The ledger is as engines would have written it, in the order of time.
HISTORY = """
CREATE TEMP TABLE made AS
SELECT n, %(june)s::timestamptz + n * (interval '29 days' / %(count)s) AS due_at,
       n %% 10 = 0 AS recurs, n %% %(dead)s = 1 AS dead, n / 1000 AS series
FROM generate_series(1, %(count)s) n;
CREATE FUNCTION id7(at timestamptz) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
            || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;
CREATE TEMP TABLE series AS
SELECT s AS series, id7(%(june)s::timestamptz - interval '1 day') AS id
FROM generate_series(0, %(count)s / 1000) s;
ALTER TABLE made ADD event_id uuid, ADD id uuid;
UPDATE made SET id = id7(due_at), event_id = CASE WHEN recurs
    THEN (SELECT id FROM series WHERE series.series = made.series)
    ELSE id7(due_at - interval '2 days') END;
INSERT INTO duly_scheduledevent
    (id, service, event_type, key, entity_type, entity_id, payload, rule, execution_timezone,
     user_timezone, resource_timezone, tzdata_fingerprint, exceptions, handling, status, reason,
     next_at, next_wall_time, next_resolution, created_at, updated_at)
SELECT event_id, 'default', 'reminder', NULL, 'appointment', n::text, '{"channel": "sms"}',
       '{}'::jsonb, 'Europe/Berlin', '', '', repeat('a', 64), '[]'::jsonb, '{}'::jsonb, 'finished',
       '', NULL::timestamptz, NULL, '',
       due_at, due_at
FROM made WHERE NOT recurs
UNION ALL
SELECT id, 'default', 'reminder', NULL, '', '', '{}', '{}', 'UTC', '', '', repeat('a', 64), '[]',
       '{}', 'scheduled', '', '2027-01-01T00:00:00Z', '2027-01-01T00:00:00', 'plain',
       %(june)s, %(june)s
FROM series;
INSERT INTO duly_occurrence
    (id, event_id, service, event_type, payload, handling, due_at, wall_time, zone, resolution,
     status, attempt, forgiven, reason, error, created_at, started_at, finished_at)
SELECT id, event_id, 'default', 'reminder', '{"channel": "sms"}', '{}', due_at,
       '2026-06-01T12:00:00', 'UTC', 'plain', CASE WHEN dead THEN 'dead' ELSE 'succeeded' END,
       1, 0, '', '', due_at, due_at, due_at + interval '1 second'
FROM made;
INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
SELECT at, event_id, occurrence_id, fact, attempt, 'engine', data FROM (
    SELECT due_at - interval '2 days' AS at, event_id, NULL::uuid AS occurrence_id,
           'scheduled' AS fact, NULL::int AS attempt,
           jsonb_build_object('next_at', due_at) AS data
    FROM made WHERE NOT recurs
    UNION ALL SELECT %(june)s, id, NULL, 'scheduled', NULL, '{"next_at": "2026-06-01"}' FROM series
    UNION ALL SELECT due_at, event_id, id, 'due', NULL,
           jsonb_build_object('due_at', due_at, 'next_at', CASE WHEN recurs THEN '2027' END)
    FROM made
    UNION ALL SELECT due_at, event_id, id, 'started', 1, NULL FROM made
    UNION ALL SELECT due_at + interval '1 second', event_id, id,
           CASE WHEN dead THEN 'died' ELSE 'succeeded' END, 1, NULL FROM made
    UNION ALL SELECT '2026-09-29T00:00:00Z'::timestamptz, id, NULL, 'rescheduled', NULL,
           '{"next_at": "2027-01-01T00:00:00+00:00"}' FROM series
) AS facts ORDER BY at;
"""


def sql(text: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []


def fill(count: int, dead: int) -> None:
    import psycopg
    from django.db import connection

    connection.ensure_connection()
    with psycopg.ClientCursor(connection.connection) as cursor:  # Many statements at once.
        cursor.execute(HISTORY, {"june": JUNE, "count": count, "dead": dead})
    from duly.store import seals

    while seals.seal("default", NOW):
        pass
    sql("VACUUM ANALYZE")
    sql("CHECKPOINT")


class Stalls(threading.Thread):
    """Somebody who claims all the while; how long it waited at most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.waited: list[float] = []

    def run(self) -> None:
        from uuid import uuid4

        from django.db import connections

        from duly.store.backends import open_store

        store = open_store("default")
        while not self.over.wait(0.01):
            begun = time.perf_counter()
            store.claim_waking(now=NOW, until=NOW, limit=100, lease_until=NOW, holder=uuid4())
            self.waited.append(time.perf_counter() - begun)
        connections.close_all()


def prune(count: int, dead: int) -> None:
    from duly.store import partitioning, retention
    from duly.store.prune import Terms, total
    from duly.store.seals import verify_seals
    from duly.store.verify import Verified, verify

    for shape in ("partitioned", "flat"):
        use(shape)
        if shape == "partitioned":
            partitioning.divide("default", JUNE)
        fill(count, dead)
        stalls = Stalls()
        stalls.start()
        begun = time.perf_counter()
        before = sql("SELECT pg_current_wal_lsn()")[0][0]
        steps: dict[str, float] = defaultdict(float)
        went = []
        last = begun
        for one in retention.prune("default", Terms(BEFORE), NOW, actor="benchmark"):
            went.append(one)
            now = time.perf_counter()
            kind = "occurrences" if one.occurrences else "events" if one.events else "entries"
            steps[kind] += now - last
            last = now
        took = time.perf_counter() - begun
        wal = sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s) / 1e6", [before])[0][0]
        stalls.over.set()
        stalls.join()
        print(f"{shape}: {took:.1f} s, {wal:.0f} MB of WAL, {total(went)}")
        print("   ", {kind: round(seconds, 1) for kind, seconds in steps.items()})
        worst = sorted(stalls.waited)[-3:]
        print(
            f"    claims beside it: median {statistics.median(stalls.waited) * 1e3:.1f} ms,",
            "worst",
            [f"{one * 1e3:.0f} ms" for one in worst],
            flush=True,
        )
        left = (
            sql("SELECT count(*) FROM duly_occurrence")[0][0],
            sql("SELECT count(*) FROM duly_ledgerentry")[0][0],
        )
        bad = [*verify("default", Verified()), *verify_seals("default")]
        print("    left", left, "disagreements", len(bad), *bad[:3], flush=True)


def writes(events: int, rounds: int) -> None:
    from benchmarks import write_costs
    from duly.store import partitioning, partitions
    from duly.store.postgres import PostgresStore

    assert PostgresStore
    found: dict[str, list[Any]] = defaultdict(list)
    write_costs.NOW = JUNE + timedelta(days=10)
    for _ in range(rounds):
        for shape in ("flat", "13 months"):
            use(shape.replace(" ", "_"))
            if shape != "flat":
                partitioning.divide("default", JUNE - timedelta(days=300))
                for month in partitions.months_from(JUNE - timedelta(days=200), 20):
                    partitions.make_month(
                        "default", partitions.OCCURRENCES, partitions.month_of(month)
                    )
                    partitions.make_month("default", partitions.LEDGER, partitions.month_of(month))
                there = partitions.parts("default", partitions.OCCURRENCES)
                for divided in partitions.DIVIDED:
                    for part in partitions.parts("default", divided)[: len(there) - 14]:
                        if part.is_month:
                            sql(f"DROP TABLE {part.name}")
            found[shape].append(write_costs.measure(events))
    for shape, measured in found.items():
        cpu = {p: min(m.cpu[p] for m in measured) * 1e6 / events for p in write_costs.PHASES}
        print(shape, {p: round(v, 1) for p, v in cpu.items()}, "us an event")


def use(name: str) -> None:
    import psycopg
    from django.db import connection

    connection.close()
    with psycopg.connect(SERVER.url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template_duly')
    connection.settings_dict["NAME"] = name


SERVER: Any = None


def main() -> None:
    global SERVER
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("prune", "writes"))
    parser.add_argument("--occurrences", type=int, default=500_000)
    parser.add_argument("--dead-every", type=int, default=20_000, help="one in so many is dead")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from duly.service.database_url import database_from_url
    from duly.testing.postgres_server import PostgresServer

    with PostgresServer(durable=True) as server:
        SERVER = server
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
        run: dict[str, Callable[[], None]] = {
            "prune": lambda: prune(options.occurrences, options.dead_every),
            "writes": lambda: writes(options.events, options.rounds),
        }
        run[options.what]()
        connection.close()


if __name__ == "__main__":
    main()
