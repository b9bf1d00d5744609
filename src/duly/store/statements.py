"""The statements of `store/sql`, sent as they are, with their parameters apart from their text.

Django writes parameters into the text; the server then reads and plans each batch anew, which
costs more than the batch. On connections that an engine has to itself they are prepared once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import connections

if TYPE_CHECKING:
    from psycopg import Connection

# For a batch given as arrays the server cannot know how many rows it names; the plan for few
# is the one for many as well, by the primary key row by row, at any size of the table. Going
# through a whole index must look as dear as it is once the table has grown.
_OF_AN_ENGINE = """
    SELECT set_config(name, value, false)
    FROM (
        VALUES ('plan_cache_mode', 'force_generic_plan'), ('cpu_index_tuple_cost', '1'),
               ('enable_seqscan', 'off'),
               ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off')
    ) AS s (name, value)
"""


# A plan made while a table was empty goes through the whole of it when it has grown; the server
# itself plans anew only after statistics are taken, a minute later or more.
FIRST_PLANS_SECONDS = 0.5
LONGEST_PLANS_SECONDS = 30.0


class _Thread(threading.local):
    """What a thread's connections are for."""

    owns = False


@dataclass(slots=True)
class _Plans:
    """How long the plans of a session are good for."""

    until: float = 0.0
    seconds: float = FIRST_PLANS_SECONDS


_thread = _Thread()
_plans: WeakKeyDictionary[Connection[Any], _Plans] = WeakKeyDictionary()


def own_connections() -> None:
    """Say that this thread has its connections to itself, so that sessions may be set up."""
    _thread.owns = True


@contextmanager
def owned() -> Iterator[None]:
    """Say so of the connections that it has for a while."""
    before, _thread.owns = _thread.owns, True
    try:
        yield
    finally:
        _thread.owns = before


@cache
def statement(name: str) -> str:
    """Give the text of `store/sql/NAME.sql`."""
    return files("duly.store").joinpath("sql", f"{name}.sql").read_text("utf-8")


def array(values: Iterable[str | None]) -> str:
    """Write an array in PostgreSQL's own form; texts that are not plain go through `quoted`.

    psycopg writes one element at a time, in Python: half of what an engine did in a burst.
    Source: PostgreSQL's manual, 8.15.6 "Array Input and Output Syntax".
    """
    return f"{{{','.join('NULL' if value is None else value for value in values)}}}"


def uuids(values: Iterable[UUID]) -> str:
    """Write an array of UUIDs."""
    return array(value.hex for value in values)


def instants(values: Iterable[datetime | None]) -> str:
    """Write an array of instants, or of nothing."""
    return array(None if value is None else value.isoformat() for value in values)


def quoted(text: str) -> str:
    """Write one element that may hold anything."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def rows_of(using: str, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run `store/sql/NAME.sql`, in the transaction that is open, if there is one.

    Gives its rows. Raises django.db.Error.
    """
    from psycopg import Cursor

    connection = connections[using]
    # As Django's cursor does: a transaction that can only be rolled back must not look whole.
    connection.validate_no_broken_transaction()
    connection.ensure_connection()
    raw = connection.connection
    with connection.wrap_database_errors:
        # A connection from Django's pool goes back to it, and on to whoever comes next.
        if _thread.owns and not connection.settings_dict["OPTIONS"].get("pool"):
            _look_after(raw)
        with Cursor(raw) as cursor:
            cursor.execute(statement(name), parameters, binary=True)
            # Not `description`: it would describe each column, which takes longer than the row.
            result = cursor.pgresult
            return cursor.fetchall() if result is not None and result.nfields else []


def _look_after(raw: Connection[Any]) -> None:
    """Set up a session that this thread has to itself, and let its plans grow old only slowly."""
    plans = _plans.get(raw)
    if plans is None:
        _tune(raw)
        plans = _plans[raw] = _Plans()
    if raw.prepare_threshold is not None and time.monotonic() >= plans.until:
        raw.execute("DISCARD PLANS")
        plans.until = time.monotonic() + plans.seconds
        plans.seconds = min(2 * plans.seconds, LONGEST_PLANS_SECONDS)


def _tune(raw: Connection[Any]) -> None:
    """Set up a session that nobody else will have.

    A pooler that hands sessions on must not: what is set there, and prepared, would be another
    client's. It gives a process number of its own, not the server's
    (https://www.pgbouncer.org/features.html).
    """
    row = raw.execute("SELECT pg_backend_pid()").fetchone()
    if row is not None and row[0] == raw.info.backend_pid:
        raw.execute(_OF_AN_ENGINE)
        raw.prepare_threshold = 0
