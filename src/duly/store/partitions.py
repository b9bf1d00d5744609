"""Partitions, on PostgreSQL: which there are, and those of the months to come.

`duly partition` divides the occurrences by `due_at` and the ledger by `at`, a partition for each
month in UTC and one, DEFAULT, for whatever no month is there for. Nothing else depends on it:
every statement runs on both shapes, and where no month is made ahead, rows go to DEFAULT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import OperationalError, connections, transaction

from duly.errors import EventConflict

# Months beyond the present one that have their partition.
MONTHS_AHEAD = 3
# Whoever comes after us waits for the lock as long as we do: engines stand still no longer.
LOCK_WAIT = timedelta(milliseconds=500)
TRIES = 5
PAUSE_SECONDS = 0.5
_LOCKED_OUT = ("55P03", "40P01")  # lock_not_available, deadlock_detected
_ANY = TypeVar("_ANY")


class InUse(EventConflict):
    """Others hold locks on a table that is to be changed."""


@dataclass(frozen=True, slots=True)
class Divided:
    """A table that `duly partition` divides."""

    table: str
    column: str
    """The instant that it is divided by."""


OCCURRENCES = Divided("duly_occurrence", "due_at")
LEDGER = Divided("duly_ledgerentry", "at")
DIVIDED = (OCCURRENCES, LEDGER)


@dataclass(frozen=True, slots=True)
class Part:
    """One partition: the rows from `since` to before `until`."""

    name: str
    since: datetime | None
    """None: from the beginning of time."""
    until: datetime | None
    """None: this is DEFAULT, for what no other is there for."""

    @property
    def is_default(self) -> bool:
        return self.until is None

    @property
    def is_month(self) -> bool:
        return self.since is not None


def parts(using: str, divided: Divided) -> list[Part]:
    """Give the partitions of a table, the oldest first; none where it is not partitioned."""
    if connections[using].vendor != "postgresql":
        return []
    # The bounds are read by the server that wrote them, whatever its style of dates.
    found = sql(
        using,
        r"""
        WITH bounds AS (
            SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS said
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass(%s)
        )
        SELECT relname, (regexp_match(said, 'FROM \(''([^'']+)''\)'))[1]::timestamptz,
               (regexp_match(said, 'TO \(''([^'']+)''\)'))[1]::timestamptz
        FROM bounds
        """,
        [divided.table],
    )
    beginning, end = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return sorted(
        (Part(*row) for row in found),
        key=lambda part: (part.until or end, part.since or beginning),
    )


def is_partitioned(using: str) -> bool:
    """Say whether `duly partition` has been at this database."""
    return bool(parts(using, OCCURRENCES))


def month_of(at: datetime) -> datetime:
    """Give the first instant of a month, in UTC."""
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(month: datetime) -> datetime:
    """Give the first instant of the month after."""
    return month_of(month + timedelta(days=31))


def months_from(month: datetime, count: int) -> Iterator[datetime]:
    """Give the first instants of so many months on end."""
    for _ in range(count):
        yield month
        month = next_month(month)


def make_ahead(using: str, now: datetime) -> list[str]:
    """Make the partitions of this month and the next ones; gives the names of those made.

    Rows that went to DEFAULT for want of them are moved. Nothing happens to a table that is
    not partitioned. Raises InUse where a lock could not be had; try again later.
    """
    return [
        name
        for divided in DIVIDED
        for month in months_from(month_of(now), 1 + MONTHS_AHEAD)
        if (name := make_month(using, divided, month))
    ]


def make_month(using: str, divided: Divided, month: datetime) -> str | None:
    """Make the partition of a month, unless it is there; gives its name."""
    if not _lacks(parts(using, divided), month):
        return None
    return patiently(lambda: _make(using, divided, month))


def _lacks(there: Sequence[Part], month: datetime) -> bool:
    until = next_month(month)
    return bool(there) and not any(
        part.until and month < part.until and (part.since is None or part.since < until)
        for part in there
    )


def _make(using: str, divided: Divided, month: datetime) -> str | None:
    name, until = f"{divided.table}_{month:%Y_%m}", next_month(month)
    with short_locks(using):
        # The foreign key of the new partition locks the events: first, as engines do.
        sql(using, "LOCK TABLE duly_scheduledevent IN SHARE ROW EXCLUSIVE MODE")
        lock(using, divided.table)
        there = parts(using, divided)
        if not _lacks(there, month):  # Another engine was faster.
            return None
        default = next(part.name for part in there if part.is_default)
        lock(using, default)
        within = f"{divided.column} >= %s AND {divided.column} < %s"
        moving = set_aside(using, divided, default, within, [month, until])
        sql(using, f"DELETE FROM {default} WHERE {within}", [month, until])
        create_part(using, divided, name, bounds(month, until), options_of(using, default))
        put_back(using, divided, moving)
    return name


def bounds(since: datetime | None, until: datetime) -> str:
    """Write the bounds of a partition."""
    begins = f"'{since.isoformat()}'" if since else "MINVALUE"
    return f"FOR VALUES FROM ({begins}) TO ('{until.isoformat()}')"


def create_part(using: str, divided: Divided, name: str, said: str, options: str) -> None:
    """Create a partition with storage parameters, such as "fillfactor=85"."""
    stored = f" WITH ({options})" if options else ""
    sql(using, f"CREATE TABLE {name} PARTITION OF {divided.table} {said}{stored}")


def options_of(using: str, table: str) -> str:
    """Give the storage parameters that a table has."""
    found = sql(
        using,
        "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = to_regclass(%s)",
        [table],
    )
    return found[0][0] or ""


def set_aside(
    using: str, divided: Divided, source: str, condition: str, parameters: Sequence[Any]
) -> str:
    """Copy rows to a table that this transaction alone has; gives its name."""
    name = f"{divided.table}_kept"
    columns = columns_of(using, divided.table)
    sql(
        using,
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS"
        f" SELECT {columns} FROM {source} WHERE {condition}",
        parameters,
    )
    return name


def put_back(using: str, divided: Divided, name: str) -> None:
    """Insert what was set aside, wherever it now belongs."""
    columns = columns_of(using, divided.table)
    sql(using, f"INSERT INTO {divided.table} ({columns}) SELECT {columns} FROM pg_temp.{name}")
    sql(using, f"DROP TABLE pg_temp.{name}")


def columns_of(using: str, table: str) -> str:
    """Give the columns of a table, parted by commas."""
    found = sql(
        using,
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        [table],
    )
    return str(found[0][0])


@contextmanager
def short_locks(using: str) -> Iterator[None]:
    """Run a transaction that gives up, rather than keep engines waiting for its locks."""
    with transaction.atomic(using):
        milliseconds = int(LOCK_WAIT.total_seconds() * 1000)
        sql(using, f"SET LOCAL lock_timeout = '{milliseconds}ms'")
        yield


def lock(using: str, table: str) -> None:
    """Keep everybody else out until the transaction ends."""
    sql(using, f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")


def patiently(action: Callable[[], _ANY]) -> _ANY:
    """Try again, a few times, what needs a lock that somebody else has.

    Raises InUse where it could not be had; nothing has changed then.
    """
    for number in range(TRIES):
        time.sleep(PAUSE_SECONDS if number else 0)
        try:
            return action()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _LOCKED_OUT:
                raise
    raise InUse(
        f"the tables are in use: in {TRIES} tries nobody let go of them for "
        f"{LOCK_WAIT.total_seconds():g} s (is a transaction open for long?); nothing was "
        "changed, try again later"
    )


def sql(
    using: str, text: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run one statement; gives its rows."""
    with connections[using].cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []
