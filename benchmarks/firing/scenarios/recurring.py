"""Many recurring rules, a share of which fires each second."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.firing import measure, records
from benchmarks.firing.contender import Peer
from benchmarks.firing.measure import Meter
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig

NAME = "recurring"
TITLE = "recurring rules"
COLUMNS = (
    Column("rules", "rules"),
    Column("asked_per_second", "due each s"),
    Column("fired_per_second", "fired each s"),
    Column("p50_ms", "p50, ms"),
    Column("p99_ms", "p99, ms"),
    Column("max_ms", "max, ms"),
    Column("cpu_percent", "CPU % of a core"),
)
# Before the time that is measured, and after it for what is late.
SETTLED_SECONDS = 3.0


def cases(rig: Rig) -> list[Case]:
    for peer in ("procrastinate", "celery-beat", "apscheduler"):
        if peer in rig.chosen:
            rig.leave_out(peer, "a table of 100,000 recurring rules is beyond it, or not its way")
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in rig.peers("duly")]


def measured(rig: Rig, peer: type[Peer]) -> Values:
    sizes = rig.sizes
    expected = int(sizes.rules / sizes.rules_interval * sizes.recurring_seconds)
    with rig.contender(peer) as contender:
        contender.call(
            "schedule_recurring", str(sizes.rules), str(sizes.rules_interval), repr(time.time())
        )
        contender.place.do("ANALYZE", "CHECKPOINT")
        contender.start()
        # Rules that were stored first have come due since: theirs is caught up with before.
        contender.await_that(
            lambda: contender.unfinished() <= 2 * expected / sizes.recurring_seconds,
            sizes.burst_seconds,
            "caught up",
        )
        start = time.time() + SETTLED_SECONDS
        end = start + sizes.recurring_seconds
        meter = Meter(contender, rig.servers.pids)
        measure.sleep_until(start)
        cpu = meter.seconds()
        measure.sleep_until(end)
        used = meter.seconds() - cpu
        measure.sleep_until(end + SETTLED_SECONDS)
        found = records.read(contender.place.records)
    ours = [one for one in found if start <= one.due_at < end]
    in_time = sum(one.fired_at < end + 0.5 for one in ours)
    return measure.lateness(ours, expected) | {
        "rules": float(sizes.rules),
        "asked_per_second": sizes.rules / sizes.rules_interval,
        "fired_per_second": in_time / sizes.recurring_seconds,
        "cpu_percent": 100 * used / sizes.recurring_seconds,
    }
