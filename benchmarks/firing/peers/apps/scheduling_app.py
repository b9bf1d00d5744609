"""Scheduling through duly's verbs, and the same rows written by psycopg alone.

The bare rows are copies of what duly wrote for one event of the same kind, all columns of
both tables; only ids, keys and instants differ. Each function gives the seconds it took.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import django
import psycopg
from psycopg import sql

django.setup()

from django.db import connection  # noqa: E402

import duly  # noqa: E402 - Django must be ready
from benchmarks.firing.place import DATABASE_VARIABLE  # noqa: E402
from duly import At, Cron, NewEvent  # noqa: E402

START = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(days=60)
URL = os.environ[DATABASE_VARIABLE]
EVENTS, LEDGER = "duly_scheduledevent", "duly_ledgerentry"
WARM = 5


def new_event(number: int, way: str) -> NewEvent:
    """Give a one-off, a one-off with a key, or a rule; all distinct."""
    key = f"appointment:{number}:reminder" if way == "keyed" else None
    payload = {"channel": "sms", "number": number}
    if way == "recurring":
        expression = f"{number % 60} {number // 60 % 24} * * *"
        return NewEvent("firing", Cron(expression, "Europe/Berlin"), payload=payload)
    at = At(START + timedelta(seconds=number), "Europe/Berlin")
    return NewEvent("firing", at, payload=payload, key=key)


def duly_one_by_one(threads: str, count: str) -> float:
    """Schedule each in a transaction of its own, each thread on its own connection."""

    def schedule(first: int) -> None:
        for number in range(first, int(count), int(threads)):
            at = At(START + timedelta(seconds=number), "Europe/Berlin")
            duly.schedule_event("firing", at, payload={"channel": "sms", "number": number})

    def connect(_: int) -> None:
        connection.ensure_connection()
        time.sleep(0.2)

    schedule(int(count) - 1)
    return _in_threads(int(threads), schedule, connect)


def bare_one_by_one(threads: str, count: str) -> float:
    """Insert the event and its row in the ledger, in one transaction."""
    columns, event, ledger_columns, entry = _pattern("plain")
    insert_event, insert_entry = _insert(EVENTS, columns), _insert(LEDGER, ledger_columns)
    connections = [psycopg.connect(URL) for _ in range(int(threads))]

    def write(first: int) -> None:
        mine = connections[first]
        for _ in range(first, int(count), int(threads)):
            id_ = uuid4()
            mine.execute(insert_event, event | {"id": id_})
            mine.execute(insert_entry, entry | {"event_id": id_})
            mine.commit()

    seconds = _in_threads(int(threads), write)
    for mine in connections:
        mine.close()
    return seconds


def duly_bulk(way: str, count: str) -> float:
    """Schedule all of them at once."""
    duly.schedule_events(new_event(int(count) + number, way) for number in range(WARM))
    new = [new_event(number, way) for number in range(int(count))]
    begun = time.perf_counter()
    duly.schedule_events(new)
    return time.perf_counter() - begun


def bare_bulk(way: str, count: str) -> float:
    """COPY the same rows into the same two tables, in one transaction."""
    columns, event, ledger_columns, entry = _pattern(way)
    with psycopg.connect(URL) as mine:
        begun = time.perf_counter()
        ids = [uuid4() for _ in range(int(count))]
        _copy(
            mine, EVENTS, columns, (_numbered(event, id_, number) for number, id_ in enumerate(ids))
        )
        _copy(mine, LEDGER, ledger_columns, (entry | {"event_id": id_} for id_ in ids))
        mine.commit()
        return time.perf_counter() - begun


def _numbered(event: dict[str, Any], id_: UUID, number: int) -> dict[str, Any]:
    key = event["key"] and f"copy:{number}"
    return event | {"id": id_, "key": key}


def _copy(
    mine: psycopg.Connection[Any], table: str, columns: list[str], rows: Iterator[dict[str, Any]]
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with mine.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])


def _pattern(way: str) -> tuple[list[str], dict[str, Any], list[str], dict[str, Any]]:
    """Let duly write one event, and read back its row and its ledger's, as text."""
    event = duly.schedule_events([new_event(10**6, way)])[0]
    with psycopg.connect(URL) as mine:
        columns, row = _read(mine, EVENTS, "id", event.id)
        ledger_columns, entry = _read(mine, LEDGER, "event_id", event.id)
        ledger_columns.remove("id")  # From its sequence.
    return columns, row, ledger_columns, entry


def _read(
    mine: psycopg.Connection[Any], table: str, column: str, id_: UUID
) -> tuple[list[str], dict[str, Any]]:
    found = mine.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
    )
    columns = [name for (name,) in found]
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)
    query = sql.SQL("SELECT {} FROM {} WHERE {} = %s ORDER BY ctid LIMIT 1").format(
        texts, sql.Identifier(table), sql.Identifier(column)
    )
    row = mine.execute(query, [id_]).fetchone()
    assert row is not None, table
    return columns, dict(zip(columns, row, strict=True))


def _insert(table: str, columns: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join(map(sql.Placeholder, columns))
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), names, values)


def _in_threads(threads: int, work: Any, before: Any = None) -> float:
    with ThreadPoolExecutor(threads) as pool:
        if before is not None:
            list(pool.map(before, range(threads)))
        begun = time.perf_counter()
        list(pool.map(work, range(threads)))
        return time.perf_counter() - begun
