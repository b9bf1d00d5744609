"""How fast events are scheduled on PostgreSQL, beside bare psycopg writing the same two rows.

duly and psycopg in turn, several times, on a server of this program's own that writes to
the disk as in production (fsync). What is compared with what is in README.md.
"""
# ruff: noqa: T201 - a program prints

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from duly.testing.postgres_server import PostgresServer

if TYPE_CHECKING:
    import psycopg

    from duly import NewEvent

THREADS = 8
FIRST = datetime(2031, 1, 1, 9)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC")
COLUMNS = (
    "id, service, event_type, key, entity_type, entity_id, payload, rule, execution_timezone,"
    " user_timezone, resource_timezone, tzdata_fingerprint, on_tzdata_change, exceptions,"
    " handling, status, reason, next_at, next_wall_time, next_resolution, created_at, updated_at"
)
LEDGER_COLUMNS = "at, event_id, fact, actor, data"


class Took(NamedTuple):
    """Seconds on the clock, and seconds of this process's own work."""

    wall: float
    cpu: float


Run = Callable[[int], Took]


class Stopwatch:
    """Runs from where it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def read(self) -> Took:
        return Took(perf_counter() - self._wall, process_time() - self._cpu)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print a line for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="in one bulk")
    parser.add_argument("--singles", type=int, default=500, help="one by one")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args(arguments)
    with PostgresServer(durable=True) as server:
        _set_up(server.url)
        one, many = options.singles, options.events
        scenarios: list[tuple[str, int, Run, Run]] = [
            ("one by one", one, bare_singles, duly_singles),
            ("one by one, with a key", one, bare_singles_with_keys, duly_singles_with_keys),
            (f"{THREADS} threads", one * THREADS, bare_threads, duly_threads),
            ("bulk of At", many, bare_bulk, duly_bulk),
            ("bulk of At, rules built too", many, bare_bulk, duly_bulk_built),
            ("bulk of At, with keys", many, bare_bulk_with_keys, duly_bulk_with_keys),
            ("bulk of Cron", many, bare_bulk, duly_bulk_cron),
            ("bulk of RRule", many, bare_bulk, duly_bulk_rrule),
            ("bulk of Every", many, bare_bulk, duly_bulk_every),
        ]
        for name, count, bare, ours in scenarios:
            if options.only in name:
                _compare(name, count, bare, ours, options.repeats)


def _compare(name: str, count: int, bare: Run, ours: Run, repeats: int) -> None:
    rates: dict[str, list[float]] = {"bare": [], "duly": []}
    used = []
    for _ in range(repeats):
        for who, run in (("bare", bare), ("duly", ours)):
            _truncate()
            took = run(count)
            rates[who].append(count / took.wall)
            if who == "duly":
                used.append(took.cpu / count * 1e6)
    ratios = [ours / bare for bare, ours in zip(rates["bare"], rates["duly"], strict=True)]
    print(
        f"{name:28} bare {median(rates['bare']):8,.0f}/s  duly {median(rates['duly']):8,.0f}/s  "
        f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"Python {median(used):.1f} us an event",
        flush=True,
    )


# One by one.


def duly_singles(count: int) -> Took:
    import duly

    rules = [new.rule for new in _new_events(count)]
    begun = Stopwatch()
    for rule in rules:
        duly.schedule_event("remind", rule)
    return begun.read()


def duly_singles_with_keys(count: int) -> Took:
    import duly

    rules = [new.rule for new in _new_events(count)]
    begun = Stopwatch()
    for number, rule in enumerate(rules):
        duly.schedule_event("remind", rule, key=f"appointment:{number}")
    return begun.read()


def duly_threads(count: int) -> Took:
    return _in_threads(count, duly_singles)


def bare_singles(count: int) -> Took:
    return _bare_singles(_rows(count))


def bare_singles_with_keys(count: int) -> Took:
    return _bare_singles(_rows(count, keys=True))


def bare_threads(count: int) -> Took:
    return _in_threads(count, bare_singles)


def _bare_singles(rows: tuple[list[tuple[object, ...]], list[tuple[object, ...]]]) -> Took:
    insert_event = _insert("duly_scheduledevent", COLUMNS)
    insert_entry = _insert("duly_ledgerentry", LEDGER_COLUMNS)
    with _psycopg() as connection:
        begun = Stopwatch()
        for event, entry in zip(*rows, strict=True):
            with connection.transaction():
                connection.execute(insert_event, event)
                connection.execute(insert_entry, entry)
        return begun.read()


def _in_threads(count: int, run: Run) -> Took:
    from django.db import connections

    def one_thread(_: int) -> None:
        run(count // THREADS)
        connections.close_all()

    begun = Stopwatch()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one_thread, range(THREADS)))
    return begun.read()


# In bulk.


def duly_bulk(count: int) -> Took:
    return _duly_bulk(_new_events(count))


def duly_bulk_built(count: int) -> Took:
    """Count what it takes to build the rules and the NewEvents too."""
    import duly

    locals_ = [f"{FIRST + timedelta(minutes=number):%Y-%m-%dT%H:%M}" for number in range(count)]
    begun = Stopwatch()
    duly.schedule_events(
        [
            duly.NewEvent(
                "remind",
                duly.At(local, ZONES[number % len(ZONES)]),
                payload={"channel": "sms", "number": number},
                entity=("appointment", number),
            )
            for number, local in enumerate(locals_)
        ]
    )
    return begun.read()


def duly_bulk_with_keys(count: int) -> Took:
    return _duly_bulk(_new_events(count, keys=True))


def duly_bulk_cron(count: int) -> Took:
    from duly import Cron, NewEvent

    zones = [ZONES[number % len(ZONES)] for number in range(count)]
    crons = [f"{number % 60} {number // 60 % 24} * * *" for number in range(count)]
    rules = [Cron(expr, zone) for expr, zone in zip(crons, zones, strict=True)]
    return _duly_bulk([NewEvent("remind", rule) for rule in rules])


def duly_bulk_rrule(count: int) -> Took:
    from duly import NewEvent, RRule

    text = "FREQ=WEEKLY;BYDAY=MO,WE,FR"
    starts = [FIRST - timedelta(days=3000, minutes=number % 1440) for number in range(count)]
    rules = [RRule(text, start, ZONES[n % len(ZONES)]) for n, start in enumerate(starts)]
    return _duly_bulk([NewEvent("remind", rule) for rule in rules])


def duly_bulk_every(count: int) -> Took:
    from duly import Every, NewEvent

    rules = [Every(timedelta(minutes=1 + number % 500)) for number in range(count)]
    return _duly_bulk([NewEvent("remind", rule) for rule in rules])


def _duly_bulk(new: Sequence[NewEvent]) -> Took:
    import duly

    begun = Stopwatch()
    duly.schedule_events(new)
    return begun.read()


def bare_bulk(count: int) -> Took:
    return _bare_bulk(count, keys=False)


def bare_bulk_with_keys(count: int) -> Took:
    return _bare_bulk(count, keys=True)


def _bare_bulk(count: int, *, keys: bool) -> Took:
    """Send text that was made before: as fast as COPY can be."""
    events, entries = (_as_text(rows) for rows in _rows(count, keys=keys))
    with _psycopg() as connection, connection.cursor() as cursor:
        begun = Stopwatch()
        with connection.transaction():
            for table, columns, text in (
                ("duly_scheduledevent", COLUMNS, events),
                ("duly_ledgerentry", LEDGER_COLUMNS, entries),
            ):
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    copy.write(text)
        return begun.read()


def _new_events(count: int, *, keys: bool = False) -> list[NewEvent]:
    from duly import At, NewEvent

    return [
        NewEvent(
            "remind",
            At(FIRST + timedelta(minutes=number), ZONES[number % len(ZONES)]),
            payload={"channel": "sms", "number": number},
            entity=("appointment", number),
            key=f"appointment:{number}" if keys else None,
        )
        for number in range(count)
    ]


def _rows(
    count: int, *, keys: bool = False
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Make the rows that duly writes for `_new_events`, as text."""
    now = datetime.now(UTC).isoformat()
    events: list[tuple[object, ...]] = []
    entries: list[tuple[object, ...]] = []
    for number in range(count):
        local = (FIRST + timedelta(minutes=number)).isoformat()
        at, id_ = f"{local}+00:00", str(uuid4())
        rule = (
            f'{{"v": 1, "kind": "at", "local": "{local}", "tz": "UTC", "gap": "shift",'
            ' "fold": "first"}'
        )
        key = f"appointment:{number}" if keys else None
        payload = f'{{"channel":"sms","number":{number}}}'
        about = ("appointment", str(number), payload, rule, "UTC", "", "")
        state = ("f" * 64, "keep_wall", "[]", "{}", "scheduled", "", at, local, "plain")
        events.append((id_, "default", "remind", key, *about, *state, now, now))
        entries.append((now, id_, "scheduled", "", f'{{"next_at": "{at}", "rule": {rule}}}'))
    return events, entries


def _as_text(rows: Sequence[tuple[object, ...]]) -> str:
    lines = ("\t".join("\\N" if cell is None else str(cell) for cell in row) for row in rows)
    return "\n".join(lines) + "\n"


def _insert(table: str, columns: str) -> str:
    marks = ", ".join(["%s"] * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our own names


def _psycopg() -> psycopg.Connection:
    import psycopg

    return psycopg.connect(os.environ["DULY_DATABASE_URL"], autocommit=True)


def _set_up(url: str) -> None:
    os.environ["DULY_DATABASE_URL"] = url
    os.environ["DJANGO_SETTINGS_MODULE"] = "duly.service.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _truncate() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE duly_scheduledevent, duly_occurrence, duly_ledgerentry")
        cursor.execute("CHECKPOINT")


if __name__ == "__main__":
    main(sys.argv[1:])
