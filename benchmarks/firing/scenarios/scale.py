"""Many events of the far future in the tables: what they do to those of today."""

from __future__ import annotations

import json
import time
from functools import partial

from benchmarks.firing import instants, measure, records, usage
from benchmarks.firing.contender import Peer
from benchmarks.firing.measure import Meter
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig, copies
from benchmarks.firing.scenarios import punctuality

NAME = "scale"
TITLE = "stored for the far future"
COLUMNS = (
    Column("start_seconds", "start to first, s"),
    Column("p50_ms", "steady p50, ms"),
    Column("p99_ms", "steady p99, ms", has_ratio=True),
    Column("notice_ms", "due in 1 s: late, ms"),
    Column("rss_mb", "RSS, MB"),
    Column("idle_percent", "idle CPU, %"),
    Column("claim_ms", "claim, ms"),
)
PEERS = ("duly", "procrastinate", "django-tasks-db", "apscheduler")
FAR_SECONDS = 60 * 86_400.0
NOTICE_SECONDS = 5.0
MEGABYTE = 1e6
STATISTICS = """
    SELECT coalesce(sum(total_exec_time), 0), coalesce(sum(calls), 0) FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND query ILIKE '%skip locked%'"""


def cases(rig: Rig) -> list[Case]:
    found = []
    for stored in rig.sizes.stored:
        for peer in rig.peers(*PEERS):
            if stored <= peer.most_stored:
                found.append(Case(peer.name, f"{stored:,}", partial(measured, rig, peer, stored)))
    return found


def measured(rig: Rig, peer: type[Peer], stored: int) -> Values:
    """Start it beside what is stored, and take everything in one life of its processes."""

    def fill(first: Peer) -> None:
        first.prepare([time.time() + FAR_SECONDS])
        if stored:
            copies(first, stored)

    with rig.contender_with(peer, f"{peer.name} {stored}", fill) as contender:
        return _lived(contender, rig)


def _lived(contender: Peer, rig: Rig) -> Values:
    sizes = rig.sizes
    count = int(sizes.steady_per_second * sizes.steady_seconds)
    start = time.time() + punctuality.ahead(contender, rig, count)
    dues = instants.at_random(count, start, sizes.steady_seconds, punctuality.SEED)
    # The first is due already: when it fires, the engine has begun to claim.
    contender.prepare([time.time(), *dues])
    has_statistics = rig.servers.has_statistics
    if has_statistics:
        contender.place.do("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    before = claims(contender) if has_statistics else (0.0, 0.0)
    started = time.time()
    contender.start()
    path = contender.place.records
    contender.await_that(lambda: records.count(path) > 0, measure.START_SECONDS, "nothing fired")
    first = records.read(path)[0].fired_at
    measure.sleep_until(start + sizes.steady_seconds)
    found = measure.await_firings(contender, count + 1, 0, sizes.grace_seconds)
    values = measure.lateness([one for one in found if one.due_at >= start], count)
    values |= {"start_seconds": first - started}
    values["claim_ms"] = mean_claim(contender, before) if has_statistics else explained(contender)
    values["notice_ms"] = _noticed(contender, sizes.notices)
    return values | _idle(contender, rig)


def _noticed(contender: Peer, times: int) -> float:
    """Schedule for a second from now, some times; gives the largest lateness in milliseconds."""
    if contender.name == "apscheduler":
        # Another process cannot wake it; see its application.
        return float("nan")
    dues = set(contender.call("schedule_soon", str(times)))
    time.sleep(1.0)
    end = time.time() + NOTICE_SECONDS
    late: list[float] = []
    while len(late) < times and time.time() < end:
        found = records.read(contender.place.records)
        late = [one.lateness for one in found if one.due_at in dues]
        time.sleep(0.1)
    return max(late, default=NOTICE_SECONDS) * measure.MILLISECONDS


def _idle(contender: Peer, rig: Rig) -> Values:
    meter = Meter(contender, rig.servers.pids)
    cpu, begun = meter.seconds(), time.time()
    time.sleep(rig.sizes.idle_seconds)
    used = (meter.seconds() - cpu) / (time.time() - begun)
    memory = usage.resident_bytes(contender.pids())
    return {"idle_percent": 100 * used, "rss_mb": memory / MEGABYTE}


def claims(contender: Peer) -> tuple[float, float]:
    """Give the milliseconds that its claims have taken in all, and how many they were."""
    spent, calls = contender.place.ask(STATISTICS)[0]
    return float(spent), float(calls)


def mean_claim(contender: Peer, before: tuple[float, float]) -> float:
    """Give the mean milliseconds of a claim since then, from the server's own statistics."""
    after = claims(contender)
    return (after[0] - before[0]) / max(1.0, after[1] - before[1])


def explained(contender: Peer) -> float:
    """Give the milliseconds that the database says its claim takes; run, and rolled back."""
    import psycopg

    with psycopg.connect(contender.place.database_url) as connection:
        query = f"EXPLAIN (ANALYZE, FORMAT JSON) {contender.claim_query}"
        row = connection.execute(query.encode()).fetchone()
        connection.rollback()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return float(plan[0]["Execution Time"])
