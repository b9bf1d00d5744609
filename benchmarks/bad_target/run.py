"""One run: an engine on a PostgreSQL of its own, with the bad target or without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bad_target.target import Target
from duly.testing.servers import PostgresServer
from duly.webhooks import new_secret

HOUR = 3600.0
# To load what is due, and to put aside what has been due for long.
LEAD_SECONDS = 60.0
SETTLE_SECONDS = 15.0
DRAIN_SECONDS = 420.0
# What arrives so soon after an opening had been let in before it.
ON_THE_WAY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is like; times are seconds."""

    down: float
    """The last seconds of the hour for which the bad target is down."""
    after: float
    """How long good traffic goes on when it is up again."""
    bad: int
    """Occurrences of the bad service, due over the hour."""
    good_rate: float
    answer_seconds: float

    @property
    def seconds(self) -> float:
        return self.down + self.after


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a run."""

    lateness: list[tuple[float, float]]
    """Of the good service: due at (seconds after the start), and seconds late."""
    expected: int
    arrivals: list[float]
    """At the bad target, in seconds after it was up again: below 0 while it was down."""
    while_open: int
    """Arrivals between an opening of the breaker and the moment at which it was tried."""
    openings: int
    most_at_once: int
    statuses: Counter[str]
    """Of the bad service's occurrences."""
    attempts: int
    """Of the bad service, all told."""
    drained: float
    """Seconds from up again to the end of the last of them."""
    recovering: float
    """When the first request after the hour arrived, in seconds after the start."""
    recovered: float
    """When the last of them was over, in seconds after the start."""

    def is_recovering(self, due: float) -> bool:
        """Say whether an occurrence of the good service was due beside the recovery."""
        return self.recovering <= due < self.recovered


def measure(options: Options, *, with_bad: bool) -> Found:
    """Run an engine through the outage and after it."""
    with PostgresServer(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        target = Target(options.answer_seconds)
        environment = _environment(server.url, Path(folder), target, options)
        start = time.time() + LEAD_SECONDS
        load = {
            "seconds": options.seconds,
            "down": options.down,
            "hour": HOUR,
            "good": int(options.good_rate * options.seconds),
            "bad": options.bad if with_bad else 0,
        }
        command = [sys.executable, "-m", "benchmarks.bad_target.load", repr(start)]
        subprocess.run([*command, json.dumps(load)], env=environment, check=True)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        with Path(folder, "engine.log").open("wb") as log:
            engine = subprocess.Popen(
                [sys.executable, "-m", "duly", "run"], env=environment, stdout=log, stderr=log
            )
            try:
                _settle(server, start)
                return _watched(server, target, options, start, Path(folder), int(load["good"]))
            finally:
                engine.terminate()
                engine.wait(30)
                target.shutdown()
                target.server_close()


def _settle(server: PostgresServer, start: float) -> None:
    """Let the database have done what came of the load, and of what was put aside.

    In an hour that is over long before its last minutes, which are what is measured.
    """
    _sleep_until(start - SETTLE_SECONDS)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _environment(url: str, folder: Path, target: Target, options: Options) -> dict[str, str]:
    services = {
        "good": {},
        "bad": {
            "target": "http",
            "url": f"http://127.0.0.1:{target.server_port}/",
            "secret": {"env": "BAD_TARGET_SECRET"},
            "allow": ["127.0.0.0/8"],
            "breaker": True,
        },
    }
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": url,
        "DULY_HANDLERS": "benchmarks.bad_target.good",
        "DULY_SERVICES": json.dumps(services),
        "BAD_TARGET_SECRET": new_secret(),
        "BAD_TARGET_LATENESS": str(folder / "lateness"),
    }


def _watched(
    server: PostgresServer,
    target: Target,
    options: Options,
    start: float,
    folder: Path,
    expected: int,
) -> Found:
    _sleep_until(start + options.down)
    up = time.time()
    target.is_up.set()
    end = start + options.seconds
    drained = up
    while time.time() < max(end, up + DRAIN_SECONDS):
        time.sleep(1)
        if time.time() < end and drained > up:
            continue
        (left,) = _rows(server, _LEFT)[0]
        if not left:
            drained = drained if drained > up else time.time()
            if time.time() > end + 1:
                break
    lateness = [
        (float(due) - start, float(late))
        for due, late in map(str.split, (folder / "lateness").read_text().splitlines())
    ]
    openings = [(at.timestamp(), probe) for at, probe in _rows(server, _OPENINGS)]
    statuses = Counter({status: count for status, count, _ in _rows(server, _STATUSES)})
    return Found(
        lateness=lateness,
        expected=expected,
        arrivals=[at - up for at in target.arrivals],
        while_open=sum(
            any(opened + ON_THE_WAY_SECONDS < at < probe for opened, probe in openings)
            for at in target.arrivals
        ),
        openings=len(openings),
        most_at_once=target.most_at_once,
        statuses=statuses,
        attempts=sum(int(attempts) for _, _, attempts in _rows(server, _STATUSES)),
        drained=drained - up,
        recovering=options.down + min((at - up for at in target.arrivals if at > up), default=0.0),
        recovered=options.down + drained - up,
    )


_LEFT = """
SELECT (SELECT count(*) FROM duly_occurrence WHERE wake_at IS NOT NULL AND service = 'bad')
     + (SELECT count(*) FROM duly_scheduledevent WHERE next_at IS NOT NULL AND service = 'bad')
"""
_OPENINGS = """
SELECT at, extract(epoch FROM (data ->> 'probe_at')::timestamptz)::float8
FROM duly_ledgerentry WHERE fact = 'breaker_opened' ORDER BY id
"""
_STATUSES = """
SELECT status, count(*), sum(attempt) FROM duly_occurrence WHERE service = 'bad' GROUP BY status
"""


def _rows(server: PostgresServer, statement: str) -> list[Any]:
    with psycopg.connect(server.url) as connection:
        return connection.execute(statement).fetchall()


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.time()))


def percentile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    """Give the value below which so large a share of them is, each with its weight."""
    left = share * sum(weight for _, weight in weighed)
    for value, weight in sorted(weighed):
        left -= weight
        if left < 0:
            return value
    return max(value for value, _ in weighed)


def as_json(options: Options, found: Found) -> dict[str, Any]:
    """Give what was found, for a file."""
    # Not asdict: it takes a Counter apart into pairs, and counts these.
    return {
        "options": asdict(options),
        **{one.name: getattr(found, one.name) for one in fields(found)},
    }
