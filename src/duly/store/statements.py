"""The statements of `store/sql`, sent as they are, with their parameters apart from their text.

Django writes parameters into the text; the server then reads and plans each batch anew, which
costs more than the batch. On connections that an engine has to itself they are prepared once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections

if TYPE_CHECKING:
    from psycopg import Connection

# For a batch given as arrays the server cannot know how many rows it names; the plan for few
# is the one for many as well, by the primary key row by row, at any size of the table.
_OF_AN_ENGINE = """
    SELECT set_config(name, value, false)
    FROM (
        VALUES ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
               ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off')
    ) AS s (name, value)
"""


class _Thread(threading.local):
    """What a thread's connections are for."""

    owns = False
    tuned: object = None


_thread = _Thread()


def own_connections() -> None:
    """Say that this thread has its connections to itself, so that sessions may be set up."""
    _thread.owns = True


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
        if _thread.owns and _thread.tuned is not raw:
            # One from Django's pool goes back to it, and on to whoever comes next.
            if not connection.settings_dict["OPTIONS"].get("pool"):
                _tune(raw)
            _thread.tuned = raw
        with Cursor(raw) as cursor:
            cursor.execute(statement(name), parameters, binary=True)
            return cursor.fetchall() if cursor.description else []


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
