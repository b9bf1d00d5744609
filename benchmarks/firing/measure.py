"""What several scenarios measure alike: the way to the end of a backlog, lateness, what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.firing import records, usage
from benchmarks.firing.contender import Peer
from benchmarks.firing.errors import PeerFailed
from benchmarks.firing.records import Record
from benchmarks.firing.results import Values

START_SECONDS = 60.0
MILLISECONDS = 1e3


@dataclass(frozen=True, slots=True)
class Meter:
    """Processor time of a contender, of the servers and of what lies between them."""

    peer: Peer
    servers: Sequence[int]

    def seconds(self) -> float:
        pids = [*self.peer.pids(), *self.servers, *self.peer.place.extra_pids]
        return usage.cpu_seconds(pids)


def burst(peer: Peer, servers: Sequence[int], count: int, seconds: float) -> Values:
    """Start it on a backlog of `count`, and wait until all of it has been handled and recorded.

    The clock runs from the first firing, so that nobody's start counts, which is told apart.
    Processor time is taken from when the first firing was seen, a moment later.
    """
    peer.prepare([time.time() - 1.0] * count)
    peer.place.settle()
    meter = Meter(peer, servers)
    started = time.time()
    peer.start()
    path = peer.place.records
    peer.await_that(lambda: records.count(path) > 0, START_SECONDS, "nothing fired")
    cpu, seen = meter.seconds(), records.count(path)
    peer.await_that(lambda: records.count(path) >= count, seconds, f"{count} events fired")
    peer.await_that(lambda: peer.unfinished() == 0, seconds, "all is recorded as finished")
    ended, cpu_ended = time.time(), meter.seconds()
    first = records.read(path)[0].fired_at
    # What fired before the first look is a part of neither the work nor its time.
    return {
        "events": float(count),
        "events_per_second": (count - 1) / (ended - first),
        "cpu_microseconds": (cpu_ended - cpu) / max(1, count - seen) * 1e6,
        "start_seconds": first - started,
        "doubled": float(records.count(path) - count),
    }


def await_firings(peer: Peer, count: int, end: float, grace: float) -> list[Record]:
    """Wait until `count` have fired, or until `grace` seconds after `end`; gives what has."""
    while time.time() < end:
        time.sleep(min(0.2, max(0.0, end - time.time())))
    path = peer.place.records
    last = time.time() + grace
    while records.count(path) < count and time.time() < last:
        time.sleep(0.05)
    return records.read(path)


def lateness(found: Iterable[Record], expected: int) -> Values:
    """Give percentiles in milliseconds. Raises PeerFailed where nothing fired at all."""
    late = sorted(record.lateness * MILLISECONDS for record in found)
    if not late:
        raise PeerFailed("nothing fired")
    return {
        "p50_ms": percentile(late, 0.5),
        "p99_ms": percentile(late, 0.99),
        "p999_ms": percentile(late, 0.999),
        "max_ms": late[-1],
        "early": float(sum(one < 0 for one in late)),
        "missing": float(max(0, expected - len(late))),
        "fired": float(len(late)),
    }


def percentile(ascending: Sequence[float], share: float) -> float:
    """Give the nearest-rank percentile."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def sleep_until(instant: float) -> None:
    """Sleep until a POSIX time; no longer than ten minutes at once, so that clocks may jump."""
    while (left := instant - time.time()) > 0:
        time.sleep(min(left, 600.0))
