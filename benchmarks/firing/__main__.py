"""duly and its peers side by side: `python -m benchmarks.firing --help`."""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import report
from benchmarks.firing.peers import PEERS
from benchmarks.firing.peers.celery_queue import CHILDREN_VARIABLE
from benchmarks.firing.place import POSTGRES_SETTINGS, Servers
from benchmarks.firing.results import Outcome
from benchmarks.firing.rig import Rig
from benchmarks.firing.scenarios import SCENARIOS
from benchmarks.firing.sizes import FULL, SMALL, Sizes
from tests.faults.campaign.network import why_no_pooler

ROUNDS = 3


def main() -> int:
    options = arguments()
    sizes = _sizes(options)
    if options.children:
        os.environ[CHILDREN_VARIABLE] = str(options.children)
    chosen = _peers(options)
    scenarios = options.scenario or list(SCENARIOS)
    with Servers(durable=not options.small) as servers:
        engine = options.engine_options.split()
        rounds = options.rounds or (1 if options.small else ROUNDS)
        rig = Rig(servers, sizes, chosen, rounds, engine, options.pooled)
        facts = environment(servers, rounds)
        print(report.lines(facts, markdown=True), end="\n\n", flush=True)
        outcomes = []
        for name in scenarios:
            outcomes.append(rig.run(SCENARIOS[name]))
            print(outcomes[-1].markdown(), end="\n\n", flush=True)
    report.write_json(options.json, to_json(facts, outcomes))
    return 1 if any(row.failure for outcome in outcomes for row in outcome.rows) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.firing", description=__doc__)
    parser.add_argument(
        "--scenario", action="append", choices=SCENARIOS, help="more than once; default: all"
    )
    parser.add_argument("--peers", metavar="NAMES", help=f"of {','.join(PEERS)}")
    parser.add_argument("--small", action="store_true", help="in miniature, as in CI")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}; 1 with --small")
    parser.add_argument("--events", type=int, help="of the burst")
    parser.add_argument("--seconds", type=float, help="of punctuality and pooler")
    parser.add_argument("--stored", help="of scale: numbers, parted by commas")
    parser.add_argument("--snapshot-seconds", type=float, help="of old-snapshot")
    parser.add_argument("--minutes", type=float, help="of sustained")
    parser.add_argument("--engine-options", default="", help='of `duly run`: "--concurrency 32"')
    parser.add_argument("--children", type=int, help="processes of a Celery worker (2)")
    parser.add_argument("--pooled", action="store_true", help="duly through pgbouncer, and alone")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.pooled and (why := why_no_pooler()):
        parser.error(why)
    unknown = set(options.peers.split(",") if options.peers else ()) - set(PEERS)
    if unknown:
        parser.error(f"unknown peers {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return options


def _peers(options: argparse.Namespace) -> list[str]:
    if options.pooled:
        return ["duly"]
    return options.peers.split(",") if options.peers else list(PEERS)


def _sizes(options: argparse.Namespace) -> Sizes:
    asked: dict[str, Any] = {
        "burst": options.events,
        "seconds": options.seconds,
        "stored": tuple(map(int, options.stored.split(","))) if options.stored else None,
        "snapshot_seconds": options.snapshot_seconds,
        "sustained_minutes": options.minutes,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return replace(SMALL if options.small else FULL, **given)


def environment(servers: Servers, rounds: int) -> dict[str, str]:
    """Say what was measured, on what, and by which command."""
    with psycopg.connect(servers.postgres.url) as connection:
        found = connection.execute("SHOW server_version").fetchone()
    packages = [package for peer in PEERS.values() for package in peer.packages]
    facts = report.environment(["django", *packages])
    written = f"fsync {'on' if servers.durable else 'OFF'}, synchronous_commit on"
    settings = ", ".join(f"{name}={value}" for name, value in POSTGRES_SETTINGS.items())
    return facts | {
        "command": " ".join(["python -m benchmarks.firing", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {_model()}, {_memory()}",
        "postgresql": f"{found[0] if found else ''}, {written}, {settings}",
        "rounds": f"{rounds}; median (least–most), × ratio to duly",
        **{f"peer {peer.name}": peer.configured for peer in PEERS.values()},
    }


def _model() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _memory() -> str:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return f"{int(line.split()[1]) / 2**20:.0f} GiB"
    return "unknown memory"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def to_json(facts: dict[str, str], outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "environment": facts,
        "scenarios": {outcome.name: outcome.to_json() for outcome in outcomes},
    }


if __name__ == "__main__":
    sys.exit(main())
