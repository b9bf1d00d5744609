"""duly through pgbouncer in transaction mode: what a pooler in between costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.firing import measure
from benchmarks.firing.contender import Peer
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig
from benchmarks.firing.scenarios import punctuality
from tests.faults.campaign.network import Pooler, why_no_pooler

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
        found.append(Case(peer.name, "direct", partial(measured, rig, peer)))
        if why := why_no_pooler():
            rig.leave_out("pgbouncer", why)
        else:
            found.append(Case(peer.name, "pgbouncer", partial(pooled, rig, peer)))
    return found


def measured(rig: Rig, peer: type[Peer]) -> Values:
    return _both(rig, peer, is_pooled=False)


def pooled(rig: Rig, peer: type[Peer]) -> Values:
    return _both(rig, peer, is_pooled=True)


def _both(rig: Rig, peer: type[Peer], *, is_pooled: bool) -> Values:
    sizes = rig.sizes
    with rig.contender(peer) as contender, _between(contender, is_pooled):
        values = measure.burst(contender, rig.servers.pids, sizes.burst, sizes.burst_seconds)
    with rig.contender(peer) as contender, _between(contender, is_pooled):
        return values | punctuality.steady(contender, rig, sizes.per_second, sizes.seconds)


@contextmanager
def _between(contender: Peer, is_pooled: bool) -> Iterator[None]:
    """Put a pooler between the contender's processes and its database."""
    if not is_pooled:
        yield
        return
    with Pooler(contender.place.database_url) as pooler:
        assert pooler.pid is not None
        contender.place.extra_pids.append(pooler.pid)
        contender.place.environment |= {"DULY_DATABASE_URL": pooler.url, "DULY_LISTEN": "false"}
        try:
            yield
        finally:
            # First, for its connections would keep the database from being deleted.
            contender.stop()
