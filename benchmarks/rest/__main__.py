"""Scheduling over REST on PostgreSQL: one by one, in bulk, and beside what is due.

`python -m benchmarks.rest`: `duly serve`, its engine beside it or within it, on a PostgreSQL of
its own that writes to the disk; clients are processes of their own, on the same machine. Events
fire without others being scheduled (A) and while they are (B), in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.report import environment, lines, table, write_json
from benchmarks.rest.run import Lateness, Options, Single, bulk, lateness, single
from benchmarks.rest.served import served

# What is promised, on a machine of two cores.
MOST_P95_MS = 20.0
LEAST_BULK = 5000.0
MOST_RATIO = 1.5


def main() -> int:
    """Measure, print, and judge what was promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8, help="that schedule one by one")
    parser.add_argument("--client", choices=("plain", "duly"), default="plain")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long they do")
    parser.add_argument("--bulk", type=int, default=100_000, help="events scheduled in bulk")
    parser.add_argument("--bulk-clients", type=int, default=1)
    parser.add_argument("--rate", type=float, default=100.0, help="events due a second")
    parser.add_argument("--firing", type=float, default=60.0, help="seconds in which they are due")
    parser.add_argument(
        "--spread",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the bulk over that time; else as fast as it goes",
    )
    parser.add_argument("--engine", choices=("beside", "within"), default="beside")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--judge", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", metavar="FILE")
    given = vars(parser.parse_args())
    rounds, path, judges = given.pop("rounds"), given.pop("json"), given.pop("judge")
    options = Options(**given)
    facts = environment(["duly", "django", "django-ninja", "waitress"])
    facts["command"] = " ".join(["python -m benchmarks.rest", *sys.argv[1:]])
    print(lines(facts, markdown=True), flush=True)
    singles, speeds = [], []
    late: dict[str, list[Lateness]] = {"A": [], "B": []}
    for number in range(rounds):
        with served(options.engine) as service:
            singles.append(single(service, options))
            speeds.append(bulk(service, options))
        for name, found in late.items():
            found.append(lateness(options, with_bulk=name == "B"))
        print(f"round {number + 1}: {_told(singles[-1], speeds[-1], late)}", flush=True)
    rows, faults = _judged(options, singles, speeds, late)
    print(table(("", "measured", "promised"), rows, markdown=True))
    kept: dict[str, Any] = {
        "options": asdict(options),
        "single": [asdict(one) for one in singles],
        "bulk_per_second": speeds,
        "lateness": {name: [asdict(one) for one in found] for name, found in late.items()},
    }
    write_json(path, kept)
    print(f"broken: {', '.join(faults)}" if faults else "all held")
    return 1 if faults and judges else 0


def _told(one: Single, speed: float, late: dict[str, list[Lateness]]) -> str:
    a, b = late["A"][-1], late["B"][-1]
    return (
        f"single p50 {one.milliseconds(0.5):.1f} p95 {one.milliseconds(0.95):.1f} ms, "
        f"{one.per_second:.0f}/s; bulk {speed:.0f}/s; "
        f"late p99 {a.milliseconds(0.99):.1f} ms alone, "
        f"{b.milliseconds(0.99):.1f} ms beside {b.bulk_per_second:.0f}/s"
    )


def _judged(
    options: Options, singles: list[Single], speeds: list[float], late: dict[str, list[Lateness]]
) -> tuple[list[tuple[str, str, str]], list[str]]:
    p50, p95 = (statistics.median(one.milliseconds(s) for one in singles) for s in (0.5, 0.95))
    speed = statistics.median(speeds)
    alone, beside = (
        statistics.median(one.milliseconds(0.99) for one in late[name]) for name in "AB"
    )
    meanwhile = statistics.median(one.bulk_per_second for one in late["B"])
    each = statistics.median(one.per_second for one in singles)
    rows = [
        (f"single, {options.clients} clients, p50, ms", f"{p50:.1f}", ""),
        (f"single, {options.clients} clients, p95, ms", f"{p95:.1f}", f"{MOST_P95_MS:g}"),
        ("single, events/s", f"{each:.0f}", ""),
        ("bulk, events/s", f"{speed:.0f}", f"{LEAST_BULK:g}"),
        (f"late, {options.rate:g}/s, p99, ms", f"{alone:.1f}", ""),
        (f"the same beside {meanwhile:.0f}/s being scheduled, ms", f"{beside:.1f}", ""),
        ("ratio", f"{beside / alone:.2f}", f"{MOST_RATIO:g}"),
    ]
    faults = [
        *(["p95 of single events"] if p95 > MOST_P95_MS else []),
        *(["bulk"] if speed < LEAST_BULK else []),
        *(["lateness"] if beside / alone > MOST_RATIO else []),
        *(["lost"] * any(len(o.seconds) != o.expected for found in late.values() for o in found)),
    ]
    return rows, faults


if __name__ == "__main__":
    sys.exit(main())
