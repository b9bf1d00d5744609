"""Events at random instants on an idle machine: how late each fires."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.firing import instants, measure
from benchmarks.firing.contender import Peer
from benchmarks.firing.errors import PeerFailed
from benchmarks.firing.measure import Meter
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig

NAME = "punctuality"
TITLE = "lateness, ms"
COLUMNS = (
    Column("fired", "events"),
    Column("p50_ms", "p50", has_ratio=True),
    Column("p99_ms", "p99", has_ratio=True),
    Column("p999_ms", "p99.9"),
    Column("max_ms", "max"),
    Column("early", "early"),
    Column("missing", "missing"),
    Column("cpu_percent", "CPU % of a core", has_ratio=True),
)
PEERS = ("duly", "procrastinate", "django-tasks-db", "apscheduler", "celery-eta", "celery-beat")
SEED = 20260101


def cases(rig: Rig) -> list[Case]:
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in rig.peers(*PEERS)]


def measured(rig: Rig, peer: type[Peer]) -> Values:
    sizes = rig.sizes
    with rig.contender(peer) as contender:
        return steady(contender, rig, sizes.per_second, sizes.seconds)


def steady(contender: Peer, rig: Rig, per_second: float, seconds: float) -> Values:
    """Schedule ahead, start, and take the time from the first due instant to the last."""
    count = int(per_second * seconds)
    start = time.time() + ahead(contender, rig, count)
    contender.prepare(instants.at_random(count, start, seconds, SEED))
    contender.place.do("ANALYZE", "CHECKPOINT")
    contender.start()
    return fired(contender, rig, count, start, start + seconds)


def ahead(contender: Peer, rig: Rig, count: int) -> float:
    """Give the seconds that storing and starting surely take."""
    # Scheduled in one process, and started in another: each imports everything first.
    starting = contender.seconds_to_start + rig.sizes.settle_seconds
    return starting + count * contender.seconds_to_store


def fired(contender: Peer, rig: Rig, count: int, start: float, end: float) -> Values:
    """Wait for the firings of [start, end), and say how late they were."""
    if time.time() > start and not rig.sizes.is_miniature:
        late = time.time() - start
        raise PeerFailed(f"{contender.name}: not ready in time, {late:.1f} s late")
    measure.sleep_until(start)
    meter = Meter(contender, rig.servers.pids)
    cpu = meter.seconds()
    measure.sleep_until(end)
    used = meter.seconds() - cpu
    found = measure.await_firings(contender, count, end, rig.sizes.grace_seconds)
    share = {"cpu_percent": 100 * used / (end - start)}
    return measure.lateness(found, count) | share
