"""A transaction that stays open: no vacuum may take away the rows that it could still see."""

from __future__ import annotations

import time
from functools import partial

import psycopg

from benchmarks.firing import instants, measure
from benchmarks.firing.contender import Peer
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig
from benchmarks.firing.scenarios import punctuality, scale

NAME = "old-snapshot"
TITLE = "REPEATABLE READ left open"
COLUMNS = (
    Column("fired", "events"),
    Column("claim_first_ms", "claim at first, ms"),
    Column("claim_last_ms", "claim at last, ms", has_ratio=True),
    Column("first_p99_ms", "p99 at first, ms"),
    Column("last_p99_ms", "p99 at last, ms", has_ratio=True),
    Column("missing", "missing"),
)


def cases(rig: Rig) -> list[Case]:
    found = rig.peers("duly", "procrastinate")
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in found]


def measured(rig: Rig, peer: type[Peer]) -> Values:
    sizes = rig.sizes
    seconds, step = sizes.snapshot_seconds, sizes.snapshot_step
    count = int(sizes.snapshot_per_second * seconds)
    with rig.contender(peer) as contender:
        start = time.time() + punctuality.ahead(contender, rig, count)
        contender.prepare(instants.at_random(count, start, seconds, punctuality.SEED))
        contender.place.settle()
        contender.start()
        with psycopg.connect(contender.place.database_url) as old:
            old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            old.execute("SELECT count(*) FROM pg_class")
            measure.sleep_until(start)
            series = _claims(contender, rig.servers.has_statistics, start, seconds, step)
            found = measure.await_firings(contender, count, start + seconds, sizes.grace_seconds)
    values = measure.lateness(found, count)
    first = [one for one in found if one.due_at < start + step]
    last = [one for one in found if one.due_at >= start + seconds - step]
    values["first_p99_ms"] = measure.lateness(first, 0)["p99_ms"]
    values["last_p99_ms"] = measure.lateness(last, 0)["p99_ms"]
    values |= {"claim_first_ms": series[0], "claim_last_ms": series[-1]}
    return values | {f"claim_{number}_ms": value for number, value in enumerate(series)}


def _claims(
    contender: Peer, has_statistics: bool, start: float, seconds: float, step: float
) -> list[float]:
    """Give the mean milliseconds of a claim in each step, from the server's own statistics.

    Without that extension: what EXPLAIN says of one, at each step's end.
    """
    if has_statistics:
        contender.place.do("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    found: list[float] = []
    before = scale.claims(contender) if has_statistics else (0.0, 0.0)
    for number in range(max(1, round(seconds / step))):
        measure.sleep_until(start + (number + 1) * step)
        if not has_statistics:
            found.append(scale.explained(contender))
            continue
        found.append(scale.mean_claim(contender, before))
        before = scale.claims(contender)
    return found
