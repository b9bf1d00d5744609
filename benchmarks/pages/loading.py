"""Fills the tables: events to come, what became of those before, and the ledger of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from duly.civil.cron import Cron
from duly.civil.zones import get_zone
from duly.models import Engine, Gate, Service

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Africa/Cairo",
    "UTC",
)
SERVICES = ("crm", "billing", "clinic", "default")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is."""

    events: int
    occurrences: int
    days: float
    """Over how many days both are spread: back for occurrences, ahead for events."""
    storm: int
    """Events that are due at one moment, nine hours ahead."""


# An identifier of version 7 of a moment, as `duly.ids` makes them.
_ID = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7'
    || substr(md5({seed}), 1, 3) || '8' || substr(md5({seed}), 4, 15))::uuid"""
_EVENTS = f"""
INSERT INTO duly_scheduledevent (
    id, service, event_type, key, entity_type, entity_id, payload, rule, execution_timezone,
    user_timezone, resource_timezone, tzdata_fingerprint, exceptions, handling, status, reason,
    next_at, next_wall_time, next_resolution, created_at, updated_at
)
SELECT
    {_ID.format(at="created_at", seed="'event' || n")},
    service, event_type, 'key-' || n, 'appointment', (n %% 200000)::text,
    '{{"n": 1, "channel": "sms"}}',
    CASE WHEN n %% 10 = 0 THEN cron ELSE jsonb_build_object(
        'v', 1, 'kind', 'at', 'local', wall_time, 'tz', zone, 'gap', 'shift', 'fold', 'first'
    ) END,
    zone, '', '', fingerprint, '[]', '{{}}',
    CASE WHEN is_over THEN 'finished' ELSE 'scheduled' END, '',
    CASE WHEN NOT is_over THEN next_at END,
    CASE WHEN NOT is_over THEN wall_time END,
    CASE WHEN is_over THEN '' ELSE 'plain' END,
    created_at, created_at
FROM (
    SELECT *, to_char(next_at AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS') AS wall_time
    FROM (
        SELECT
            n,
            n %% 20 = 1 AS is_over,
            (%(services)s::text[])[(1 + n %% %(service_count)s)::int] AS service,
            'type_' || n %% 12 AS event_type,
            date_trunc('second', %(now)s::timestamptz - interval '1 day' * %(days)s
                * (1 - n::float / %(events)s)) AS created_at,
            date_trunc('second', %(now)s::timestamptz + CASE
                WHEN n <= %(storm)s THEN interval '9 hours'
                ELSE interval '1 minute'
                    + interval '1 day' * %(days)s * ((n * 7919 %% %(events)s)::float / %(events)s)
            END) AS next_at,
            z.*
        FROM generate_series(1, %(events)s::bigint) AS n
        JOIN bench_zones AS z ON z.place = n %% %(zone_count)s
    ) AS spread
) AS told
"""
_OCCURRENCES = f"""
INSERT INTO duly_occurrence (
    id, event_id, service, event_type, payload, handling, due_at, wall_time, zone, resolution,
    status, attempt, forgiven, wake_at, started_at, finished_at, reason, error, created_at
)
SELECT
    {_ID.format(at="due_at", seed="'occurrence' || n")},
    event_id, service, event_type, '{{"n": 1, "channel": "sms"}}', '{{}}', due_at,
    to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), 'UTC', 'plain',
    status, CASE WHEN status = 'pending' THEN 2 ELSE 1 END, 0,
    CASE WHEN status IN ('pending', 'running')
        THEN %(now)s::timestamptz + interval '20 seconds' END,
    due_at + late,
    CASE WHEN status IN ('succeeded', 'dead') THEN due_at + late + interval '50 ms' END,
    '', CASE WHEN status = 'dead' THEN 'ConnectionError: answer ' || n %% 40 ELSE '' END, due_at
FROM (
    SELECT
        o.n, e.id AS event_id, e.service, e.event_type,
        %(now)s::timestamptz - interval '1 day' * %(days)s
            * (1 - o.n::float / %(occurrences)s) AS due_at,
        interval '1 ms' * (3 + exp(o.n * 7919 %% 1000 / 120.0)) AS late,
        CASE
            WHEN o.n > %(occurrences)s - 50 THEN 'running'
            WHEN o.n %% 5000 = 0 THEN 'pending'
            WHEN o.n %% 500 = 1 THEN 'dead'
            ELSE 'succeeded'
        END AS status
    FROM generate_series(1, %(occurrences)s::bigint) AS o (n)
    JOIN bench_events AS e ON e.n = 1 + o.n %% %(events)s
) AS told
"""
_LEDGER = """
INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
SELECT at, event_id, id, fact, attempt, 'engine', NULL
FROM duly_occurrence AS o CROSS JOIN LATERAL (
    VALUES (started_at, 'started'), (finished_at, status)
) AS f (at, fact)
WHERE at IS NOT NULL
ORDER BY at
"""


def load(sizes: Sizes) -> None:
    """Fill empty tables, and let the database know what it holds."""
    now = timezone.now()
    given: dict[str, Any] = {
        "now": now,
        "events": sizes.events,
        "occurrences": sizes.occurrences,
        "days": sizes.days,
        "storm": sizes.storm,
        "services": list(SERVICES),
        "service_count": len(SERVICES),
        "zone_count": len(ZONES),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE bench_zones (place int, zone text, fingerprint text, cron jsonb)"
        )
        for place, name in enumerate(ZONES):
            rule = json.dumps(Cron("0 9 * * *", tz=name).to_json())
            row: list[Any] = [place, name, get_zone(name).fingerprint, rule]
            cursor.execute("INSERT INTO bench_zones VALUES (%s, %s, %s, %s)", row)
        cursor.execute(_EVENTS, given)
        cursor.execute(
            "CREATE TEMP TABLE bench_events AS SELECT row_number() OVER () AS n, id, service,"
            " event_type FROM duly_scheduledevent"
        )
        cursor.execute("CREATE INDEX ON bench_events (n)")
        cursor.execute("ANALYZE bench_events")
        cursor.execute(_OCCURRENCES, given)
        cursor.execute(_LEDGER)
        cursor.execute("DROP TABLE bench_events, bench_zones")
    _few(now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _few(now: datetime) -> None:
    for number, name in enumerate(SERVICES):
        options = {"in_flight": 10, "breaker": {}, "quota": {"pending": 2_000_000}}
        Service.objects.create(name=name, options=options, created_at=now, updated_at=now)
        status = "open" if number == 0 else "closed"
        Gate.objects.create(name=f"service:{name}", status=status, updated_at=now)
    for number in range(3):
        Engine.objects.create(
            holder=f"00000000-0000-4000-8000-00000000000{number}",
            host=f"host-{number}",
            pid=100 + number,
            version="1",
            tzdata_release="2026a",
            started_at=now,
            # It is to be alive for as long as this runs.
            beat_at=timezone.now() + timedelta(hours=1),
            concurrency=16,
        )
