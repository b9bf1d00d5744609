"""`duly top`: what is due, late, running and dead at this moment, again and again."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from duly import clock
from duly.cli.moments import span_text
from duly.cli.screen import QUITS, screen
from duly.cli.tables import bold, dim, table, visible
from duly.conf import config
from duly.errors import InvalidEvent
from duly.models import Engine, Gate
from duly.store import engines
from duly.store.backlog import MOST_COUNTED, Backlog, backlog
from duly.store.present import gates_not_closed, running, to_come
from duly.store.pulse import OfType, Pulse, pulse

WINDOW = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# Of the newest so many are looked at, twenty times a minute at most.
LOOKED_AT = 2_000
MOST_TYPES = 12
MOST_BREAKERS = 8
LEAST_SECONDS = 0.5
ENGINE_HEADS = ("engine", "process", "duly", "tz data", "busy", "held", "clock off", "heard of", "")
BREAKER_HEADS = ("breaker", "status", "tried again")
TYPE_HEADS = ("type", "in 5 min", "dead", "retried", "slowest")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to see at one moment."""

    now: datetime
    backlog: Backlog
    running: int
    next_hour: int
    pulse: Pulse
    engines: list[Engine]
    breakers: list[Gate]

    @property
    def types(self) -> list[OfType]:
        """The types that fail most, and then those that take longest."""
        return sorted(self.pulse.types, key=lambda one: (-one.dead, -one.retried, -one.slowest))


def perform(options: Namespace) -> int:
    """Show it until q or Ctrl-C; once with --once, and where the output is no terminal."""
    seconds = options.every
    if not seconds >= LEAST_SECONDS:
        raise InvalidEvent(f"--every must be {LEAST_SECONDS:g} seconds or more, got {seconds:g}")
    if options.json:
        print(json.dumps(_data(look())))
        return 0
    if options.once or not sys.stdout.isatty():
        print("\n".join(page(look())))
        return 0
    return _show(seconds)


def look() -> Seen:
    """Look at the database: some ten small statements. Raises django.db.Error."""
    settings = config()
    using = settings.database
    now = clock.now(using)
    return Seen(
        now,
        backlog(using, now),
        running(using, now, timedelta(seconds=settings.lease_seconds)),
        to_come(using, now, HOUR),
        pulse(using, now, WINDOW, LOOKED_AT),
        engines.alive(using, now),
        list(gates_not_closed(using, MOST_BREAKERS)),
    )


def page(seen: Seen) -> list[str]:
    """Write down what was seen, as lines for a terminal."""
    lines = [*_numbers(seen), "", *_engines(seen)]
    if seen.breakers:
        rows = [(row.name, row.status, _tried(row, seen.now)) for row in seen.breakers]
        lines += ["", *table(BREAKER_HEADS, rows).splitlines()]
    if seen.types:
        lines += [
            "",
            *table(TYPE_HEADS, [_type(one) for one in seen.types[:MOST_TYPES]]).split("\n"),
        ]
    return lines


def _show(seconds: float) -> int:
    with screen() as shown:
        while True:
            try:
                lines = page(look())
            except DatabaseError as error:
                connections[config().database].close()
                lines = [bold(visible(f"the database does not answer: {error}".split("\n")[0]))]
            keys = f"every {seconds:g} s; q quits"
            shown.draw([f"{bold('duly top')}  {dim(keys)}", *lines])
            try:
                if shown.wait(seconds) in QUITS:
                    return 0
            except KeyboardInterrupt:
                return 0


def _numbers(seen: Seen) -> list[str]:
    waits, born = seen.backlog, seen.pulse
    late = _stressed(f"{_counted(waits.overdue)} late", waits.overdue > 0)
    dead = _stressed(f"{_counted(waits.dead)} dead", waits.dead > 0)
    oldest = f" (oldest {waits.oldest.total_seconds():.1f} s)" if waits.due else ""
    return [
        f"{seen.now:%Y-%m-%d %H:%M:%S}Z",
        f"now       {_counted(waits.due)} due{oldest}  {late}  {seen.running} running  {dead}",
        f"rate      {born.per_hour / 60:.1f} a minute in the last {born.window.seconds} s  "
        f"{_counted(seen.next_hour)} events due within the hour",
        f"lateness  p50 {_seconds(born.quantile(0.5))}  p99 {_seconds(born.quantile(0.99))}  "
        f"max {_seconds(born.quantile(1.0))}  {born.share_late:.2%} over a minute",
    ]


def _engines(seen: Seen) -> list[str]:
    if not seen.engines:
        return [bold("no engine is alive: nothing fires; start one with 'duly run'")]
    return table(ENGINE_HEADS, [_engine(one, seen.now) for one in seen.engines]).splitlines()


def _engine(row: Engine, now: datetime) -> tuple[str, ...]:
    return (
        row.host,
        str(row.pid),
        row.version,
        row.tzdata_release,
        f"{row.running}/{row.concurrency}",
        str(row.held),
        f"{row.clock_offset:+.3f} s",
        span_text(row.beat_at - now),
        "stopping" if row.stopping_at else "",
    )


def _type(one: OfType) -> tuple[str, ...]:
    slowest = _seconds(one.slowest.total_seconds())
    return (one.event_type, str(one.born), str(one.dead), str(one.retried), slowest)


def _tried(row: Gate, now: datetime) -> str:
    if row.status != "open":
        return ""
    return span_text(row.probe_at - now) if row.probe_at else "when it is closed by hand"


def _counted(count: int) -> str:
    return f"{count}+" if count >= MOST_COUNTED else str(count)


def _stressed(text: str, is_stressed: bool) -> str:
    return bold(text) if is_stressed else text


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _data(seen: Seen) -> dict[str, Any]:
    waits, born = seen.backlog, seen.pulse
    return {
        "at": seen.now.isoformat(),
        "due": waits.due,
        "late": waits.overdue,
        "oldest_seconds": waits.oldest.total_seconds(),
        "running": seen.running,
        "dead": waits.dead,
        "next_hour": seen.next_hour,
        "per_minute": round(born.per_hour / 60, 3),
        "lateness": {name: born.quantile(share) for name, share in _QUANTILES.items()},
        "share_late": born.share_late,
        "engines": [_engine_data(row) for row in seen.engines],
        "breakers": [{"name": row.name, "status": row.status} for row in seen.breakers],
        "types": [
            {
                "type": one.event_type,
                "born": one.born,
                "dead": one.dead,
                "retried": one.retried,
                "slowest_seconds": one.slowest.total_seconds(),
            }
            for one in seen.types
        ],
    }


_QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def _engine_data(row: Engine) -> dict[str, Any]:
    return {
        "holder": str(row.holder),
        "host": row.host,
        "pid": row.pid,
        "version": row.version,
        "tzdata": row.tzdata_release,
        "running": row.running,
        "concurrency": row.concurrency,
        "held": row.held,
        "clock_offset_seconds": row.clock_offset,
        "beat_at": row.beat_at.isoformat(),
        "is_stopping": row.stopping_at is not None,
    }
