"""duly through pgbouncer in transaction mode: what it costs. All else through it: --pooled."""

from __future__ import annotations

from functools import partial

from benchmarks.firing import measure
from benchmarks.firing.contender import Peer
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig, pooled
from benchmarks.firing.scenarios import punctuality
from tests.faults.campaign.network import why_no_pooler

NAME = "pooler"
TITLE = "through a pooler"
COLUMNS = (
    Column("events_per_second", "burst, events/s", has_ratio=True),
    Column("cpu_microseconds", "CPU µs per event", has_ratio=True),
    Column("p50_ms", "p50, ms", has_ratio=True),
    Column("p99_ms", "p99, ms", has_ratio=True),
    Column("max_ms", "max, ms"),
    Column("missing", "missing"),
    Column("cpu_percent", "CPU % of a core"),
)


def cases(rig: Rig) -> list[Case]:
    found = []
    for peer in rig.peers("duly"):
        found.append(Case(peer.name, "direct", partial(measured, rig, peer, False)))
        if why := why_no_pooler():
            rig.leave_out("pgbouncer", why)
        else:
            found.append(Case(peer.name, "pgbouncer", partial(measured, rig, peer, True)))
    return found


def measured(rig: Rig, peer: type[Peer], is_pooled: bool) -> Values:
    sizes = rig.sizes
    with rig.contender(peer) as contender, pooled(contender, is_pooled):
        values = measure.burst(contender, rig.servers.pids, sizes.burst, sizes.burst_seconds)
    with rig.contender(peer) as contender, pooled(contender, is_pooled):
        return values | punctuality.steady(contender, rig, sizes.per_second, sizes.seconds)
