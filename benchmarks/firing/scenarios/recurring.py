"""Many recurring rules, a share of which fires each second."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.firing import measure
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
# Storing a rule, at the slowest that was seen.
SECONDS_TO_STORE = 0.001


def cases(rig: Rig) -> list[Case]:
    for peer in ("procrastinate", "celery-beat", "apscheduler"):
        if peer in rig.chosen:
            rig.leave_out(peer, "a table of 100,000 recurring rules is beyond it, or not its way")
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in rig.peers("duly")]


def measured(rig: Rig, peer: type[Peer]) -> Values:
    sizes = rig.sizes
    with rig.contender(peer) as contender:
        begun = time.time()
        # The first interval fires in the order of storing; what is measured lies within it.
        ahead = peer.seconds_to_start + sizes.settle_seconds + sizes.rules * SECONDS_TO_STORE
        start = begun + ahead
        contender.call(
            "schedule_recurring", str(sizes.rules), str(sizes.rules_interval), repr(start)
        )
        contender.place.do("ANALYZE", "CHECKPOINT")
        contender.start()
        end = start + sizes.recurring_seconds
        meter = Meter(contender, rig.servers.pids)
        measure.sleep_until(start)
        cpu = meter.seconds()
        measure.sleep_until(end)
        used = meter.seconds() - cpu
        expected = int(sizes.rules / sizes.rules_interval * sizes.recurring_seconds)
        found = measure.await_firings(contender, expected, end, sizes.grace_seconds)
    ours = [one for one in found if start <= one.due_at < end]
    in_time = sum(one.fired_at < end + 0.5 for one in ours)
    return measure.lateness(ours, expected) | {
        "rules": float(sizes.rules),
        "asked_per_second": sizes.rules / sizes.rules_interval,
        "fired_per_second": in_time / sizes.recurring_seconds,
        "cpu_percent": 100 * used / sizes.recurring_seconds,
    }
