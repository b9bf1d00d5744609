"""A backlog that is due already: how many a second, and at what cost."""

from __future__ import annotations

from functools import partial

from benchmarks.firing import measure
from benchmarks.firing.contender import Peer
from benchmarks.firing.results import Case, Column, Values
from benchmarks.firing.rig import Rig

NAME = "burst"
TITLE = "events already due"
COLUMNS = (
    Column("events", "events"),
    Column("events_per_second", "events/s", has_ratio=True),
    Column("cpu_microseconds", "CPU µs per event", has_ratio=True),
    Column("start_seconds", "start to first, s"),
    Column("doubled", "doubled"),
)
PEERS = (
    *("duly", "limit", "procrastinate", "django-tasks-db", "apscheduler"),
    *("celery", "celery-sent", "duly-celery", "celery-beat"),
)


def cases(rig: Rig) -> list[Case]:
    return [Case(peer.name, "", partial(measured, rig, peer)) for peer in rig.peers(*PEERS)] + (
        [Case("commit rate", "pgbench", partial(commits, rig))] if "limit" in rig.chosen else []
    )


def measured(rig: Rig, peer: type[Peer]) -> Values:
    """Measure one contender; a slow one is given fewer events, and the table says how many."""
    count = min(rig.sizes.burst, peer.most or rig.sizes.burst)
    with rig.contender(peer) as contender:
        return measure.burst(contender, rig.servers.pids, count, rig.sizes.burst_seconds)


def commits(rig: Rig) -> Values:
    """Measure what the machine itself commits: one row in one transaction, one after the other."""
    from benchmarks.firing.commit_rate import commits_per_second

    return {"events_per_second": commits_per_second(rig.servers.postgres, rig.sizes.seconds / 10)}
