"""How many firings are missing, doubled or wrong around changes of the clocks.

Every zone of the tzdata package whose clocks change from 2024 to 2027, every change, two
days before it to two days after. The criterion is in README.md.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice
from multiprocessing import get_context
from types import FrameType
from typing import Any

from benchmarks import clocks, peers, report
from benchmarks.clocks import MINUTE, Change, Slot
from benchmarks.peers import Job, Peer

MARGIN = timedelta(days=2)
# Quarter-hours in the window, several times over.
MOST_FIRINGS = 2_000
LONGEST_SECONDS = 10
EXAMPLES = 3

KINDS = ("daily, inside", "daily, beside", "midnight", "hourly", "quarter-hourly")
FAULTS = ("missing", "doubled", "wrong", "failed")
HOURLY = Job("0 * * * *", "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0")
QUARTER_HOURLY = Job("*/15 * * * *", "FREQ=HOURLY;BYMINUTE=0,15,30,45;BYSECOND=0")
Tally = dict[tuple[str, str], Counter[str]]


class Endless(Exception):
    """A peer fires without end, or never answers."""


@dataclass(frozen=True)
class Fault:
    """One thing that a peer did wrong."""

    peer: str
    kind: str
    fault: str
    zone: str
    change: datetime
    cron: str
    about: str


@dataclass
class Result:
    """What was counted: runs, clean runs and faults, for each peer and kind of job."""

    tally: Tally
    faults: list[Fault]


def daily(at: time) -> Job:
    return Job(
        f"{at.minute} {at.hour} * * *",
        f"FREQ=DAILY;BYHOUR={at.hour};BYMINUTE={at.minute};BYSECOND=0",
    )


def trials(change: Change) -> Iterator[tuple[str, Job, list[Slot]]]:
    """Give the jobs to run around a change, each with what is right."""
    start, end = change.at - MARGIN, change.at + MARGIN
    middle = change.low + change.length // (2 * MINUTE) * MINUTE
    times = (
        ("daily, inside", change.low.time()),
        ("daily, inside", middle.time()),
        ("daily, beside", (change.low - MINUTE).time()),
        ("daily, beside", change.high.time()),
        ("midnight", time(0)),
    )
    for kind, at in times:
        yield kind, daily(at), clocks.daily_slots(change.zone, at, start, end)
    for kind, job, minutes in (
        ("hourly", HOURLY, frozenset({0})),
        ("quarter-hourly", QUARTER_HOURLY, frozenset({0, 15, 30, 45})),
    ):
        yield kind, job, list(clocks.elapsed_slots(change.zone, minutes, start, end))


def fired(peer: Peer, job: Job, change: Change) -> list[datetime]:
    """Run a job across a change. Raises Endless, and whatever the peer raises."""
    found: list[datetime] = []
    with_limit = islice(peer.firings(job, change.zone, change.at - MARGIN), MOST_FIRINGS + 1)
    for at in with_limit:
        if at > change.at + MARGIN:
            return found
        found.append(at)
    if len(found) > MOST_FIRINGS:
        raise Endless(f"more than {MOST_FIRINGS} firings")
    return found


def judged(found: Iterable[datetime], slots: list[Slot]) -> Iterator[tuple[str, datetime]]:
    """Give what is wrong with the firings: each slot must be hit once, and nothing else."""
    at_instant = {at: index for index, slot in enumerate(slots) for at in slot.instants}
    spans = [(index, slot.instants[0], slot.until) for index, slot in enumerate(slots)]
    hits: Counter[int] = Counter()
    for at in found:
        inside = (index for index, low, high in spans if high and low <= at < high)
        index = at_instant.get(at, next(inside, None))
        if index is None:
            yield "wrong", at
            continue
        if hits[index]:
            yield "doubled", at
        hits[index] += 1
    for index, slot in enumerate(slots):
        if not hits[index]:
            yield "missing", slot.instants[0]


def examined(peer: Peer, job: Job, change: Change, slots: list[Slot]) -> list[tuple[str, str]]:
    """Run and judge; a run that raises or never ends is one fault, whatever it gave before."""
    signal.alarm(LONGEST_SECONDS)
    try:
        found = fired(peer, job, change)
    except Exception as error:
        return [("failed", f"{type(error).__name__}: {error}")]
    finally:
        signal.alarm(0)
    return [(fault, f"{at:%Y-%m-%dT%H:%MZ}") for fault, at in judged(found, slots)]


def around(change: Change) -> Result:
    """Run every job of every peer across one change."""
    result = Result(defaultdict(Counter), [])
    for kind, job, slots in trials(change):
        for name in _chosen:
            found = examined(peers.ALL[name], job, change, slots)
            counts = result.tally[name, kind]
            counts.update(["runs", *([] if found else ["clean"])])
            counts["firings"] += len(slots)
            counts.update(fault for fault, _ in found)
            result.faults += [
                Fault(name, kind, fault, change.zone, change.at, job.cron, about)
                for fault, about in found
            ]
    return result


_chosen: list[str] = []


def prepare(chosen: list[str]) -> None:
    """Set up a process that runs peers."""
    _chosen[:] = chosen
    signal.signal(signal.SIGALRM, _stop)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Endless(f"no answer within {LONGEST_SECONDS} seconds")


def measure(changes: list[Change], chosen: list[str], processes: int) -> Result:
    """Run everything, and add it up."""
    total = Result(defaultdict(Counter), [])
    with get_context("spawn").Pool(processes, prepare, [chosen]) as pool:
        for result in pool.imap(around, changes, chunksize=4):
            for key, counts in result.tally.items():
                total.tally[key].update(counts)
            total.faults += result.faults
    return total


def summary(result: Result, chosen: list[str], *, markdown: bool) -> str:
    """Set the faults of every kind together, for each peer."""
    rows = []
    for name in chosen:
        counts = [result.tally[name, kind] for kind in KINDS]
        faults = [sum(count[fault] for fault in FAULTS) for count in counts]
        runs, clean = (sum(count[key] for count in counts) for key in ("runs", "clean"))
        rows.append([name, *faults, sum(faults), f"{clean} of {runs}"])
    return report.table(["", *KINDS, "all", "clean runs"], rows, markdown=markdown)


def details(result: Result, chosen: list[str], *, markdown: bool) -> str:
    """Set every count, for each peer and kind of job."""
    rows = []
    for name in chosen:
        for kind in KINDS:
            counts = result.tally[name, kind]
            faults = [counts[key] for key in FAULTS]
            rows.append([f"{name}: {kind}", counts["runs"], counts["firings"], *faults])
    header = ["", "runs", "right firings", *FAULTS]
    return report.table(header, rows, markdown=markdown)


def examples(faults: list[Fault]) -> list[Fault]:
    """Give the first few faults of each sort, and all of duly's."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for fault in faults:
        key = (fault.peer, fault.kind, fault.fault)
        seen[key] += 1
        if seen[key] <= EXAMPLES or fault.peer.startswith("duly"):
            found.append(fault)
    return found


def as_json(facts: dict[str, str], result: Result, shown: list[Fault]) -> dict[str, Any]:
    counts = [
        {"peer": peer, "job": kind, **{key: found[key] for key in ("runs", "clean", *FAULTS)}}
        for (peer, kind), found in result.tally.items()
    ]
    return {"environment": facts, "counts": counts, "examples": [vars(fault) for fault in shown]}


def sampled(zones: list[str], count: int | None) -> list[str]:
    """Give so many zones, spread over all."""
    if count is None or count >= len(zones):
        return zones
    return [zones[index * len(zones) // count] for index in range(count)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, help="so many zones instead of all")
    parser.add_argument("--peers", nargs="*", choices=peers.ALL, help="only these")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    chosen = [name for name in peers.available() if not options.peers or name in options.peers]
    names = clocks.names()
    alike = clocks.distinct(names)
    zones = sampled(sorted(alike), options.zones)
    changes = [change for zone in zones for change in clocks.changes(zone)]
    facts = report.environment(package for peer in peers.ALL.values() for package in peer.packages)
    facts["zones"] = (
        f"{len(names)} names, of which {sum(map(len, alike.values()))} have changes from 2024 to "
        f"2027, in {len(alike)} distinct ways; one name of each way is run: {len(zones)}"
    )
    facts["changes"] = f"{len(changes)}, of which {sum(change.is_gap for change in changes)} gaps"
    result = measure(changes, chosen, options.processes)
    shown = examples(result.faults)
    print(report.lines(facts, markdown=options.markdown), end="\n\n")
    print(summary(result, chosen, markdown=options.markdown), end="\n\n")
    print(details(result, chosen, markdown=options.markdown))
    ours = [fault for fault in shown if fault.peer.startswith("duly")]
    for fault in ours:
        print(fault)
    report.write_json(options.json, as_json(facts, result, shown))
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main())
