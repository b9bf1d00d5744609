"""Minutes of steady work beside a million events of the far future."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.firing.contender import Peer
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig, copies
from benchmarks.firing.scenarios import punctuality, scale

NAME = "sustained"
TITLE = "steady work for minutes"
COLUMNS = (
    Column("fired", "events"),
    Column("stored", "stored beside"),
    Column("p50_ms", "p50, ms"),
    Column("p99_ms", "p99, ms", has_ratio=True),
    Column("p999_ms", "p99.9, ms"),
    Column("max_ms", "max, ms"),
    Column("early", "early"),
    Column("missing", "missing"),
    Column("cpu_percent", "CPU % of a core", has_ratio=True),
)


def cases(rig: Rig) -> list[Case]:
    found = rig.peers("duly", "procrastinate")
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in found]


def measured(rig: Rig, peer: type[Peer]) -> Values:
    sizes = rig.sizes
    with rig.contender(peer) as contender:
        contender.prepare([time.time() + scale.FAR_SECONDS])
        copies(contender, sizes.sustained_stored)
        seconds = 60 * sizes.sustained_minutes
        values = punctuality.steady(contender, rig, sizes.sustained_per_minute / 60, seconds)
    return values | {"stored": float(sizes.sustained_stored)}
