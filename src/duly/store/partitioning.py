"""Partitioning: the tables as they are become the partition of the past, and months follow.

Nothing is copied but rows that lie beyond the present month: engines wait while the rows are read
once, to be sure that they lie before it, and not while they are written again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connections

from duly.errors import ConfigurationError
from duly.store.partitions import (
    DIVIDED,
    MONTHS_AHEAD,
    Divided,
    bounds,
    create_part,
    is_partitioned,
    lock,
    month_of,
    months_from,
    next_month,
    options_of,
    patiently,
    put_back,
    set_aside,
    short_locks,
    sql,
)

PAST = "past"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Division:
    """What is done to one table."""

    divided: Divided
    rows: int
    copied: int
    """Rows that lie beyond the past: they are written again, to their own months."""
    until: datetime
    """Where the past ends, and the first month of its own begins."""

    @property
    def months(self) -> list[datetime]:
        return list(months_from(self.until, 1 + MONTHS_AHEAD))


def plan(using: str, now: datetime) -> list[Division]:
    """Say what `divide` would do.

    Raises ConfigurationError where it cannot be done, naming what is in the way.
    """
    if connections[using].vendor != "postgresql":
        raise ConfigurationError(
            f"only PostgreSQL has partitions, and the database {using!r} is on "
            f"{connections[using].display_name}; `duly prune` works on both"
        )
    if is_partitioned(using):
        return []
    for divided in DIVIDED:
        for hindrance in _hindrances(using, divided.table):
            raise ConfigurationError(
                f"{divided.table} cannot be partitioned: {hindrance} depends on it, and would go "
                "on with the rows of the past only; drop it first, and create it again afterwards"
            )
    return [_planned(using, divided, now) for divided in DIVIDED]


def divide(using: str, now: datetime) -> list[Division]:
    """Partition the occurrences and the ledger, in one transaction under their locks.

    Engines wait meanwhile. Raises as `plan` does, and InUse where the locks could not be had,
    with everything as it was.
    """
    if not plan(using, now):
        return []
    for divided in DIVIDED:
        _index_beforehand(using, divided)
    return patiently(lambda: _divide(using, now))


def _planned(using: str, divided: Divided, now: datetime) -> Division:
    table, column = divided.table, divided.column
    until = next_month(month_of(now))
    rows, copied = sql(
        using,
        f"SELECT count(*), count(*) FILTER (WHERE {column} >= %s) FROM {table}",
        [until],
    )[0]
    # An empty table has no past that would need a partition.
    return Division(divided, rows, copied, until if rows else month_of(now))


def _hindrances(using: str, table: str) -> Iterator[str]:
    """Find what would not follow from the table to its partitions."""
    found = sql(
        using,
        """
        SELECT 'the view ' || r.ev_class::regclass
        FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = to_regclass(%(table)s)
          AND r.ev_class <> d.refobjid
        UNION SELECT 'the foreign key ' || conname || ' of ' || conrelid::regclass
        FROM pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(%(table)s)
        UNION SELECT 'the trigger ' || tgname
        FROM pg_trigger WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal
        UNION SELECT 'the publication ' || p.pubname
        FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
        WHERE r.prrelid = to_regclass(%(table)s)
        """,
        {"table": table},
    )
    return (name for (name,) in found)


def _index_beforehand(using: str, divided: Divided) -> None:
    """Build the index of the new primary key while engines go on; one that broke off goes."""
    name = _new_key(divided)
    sql(using, f"DROP INDEX IF EXISTS {name}")
    sql(
        using,
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {divided.table} (id, {divided.column})",
    )


def _new_key(divided: Divided) -> str:
    return f"{divided.table}_{PAST}_key"


def _divide(using: str, now: datetime) -> list[Division]:
    with short_locks(using):
        # In the order in which engines write to them.
        sql(using, "LOCK TABLE duly_scheduledevent IN SHARE ROW EXCLUSIVE MODE")
        for divided in DIVIDED:
            lock(using, divided.table)
        divisions = [_planned(using, divided, now) for divided in DIVIDED]
        for division in divisions:
            _divide_table(using, division)
    return divisions


def _divide_table(using: str, division: Division) -> None:
    divided, table = division.divided, division.divided.table
    past = f"{table}_{PAST}"
    within = f"{divided.column} >= %s"
    keys, indexes = _keys(using, table), _indexes(using, table)
    sequence = _let_go_of_sequence(using, table)
    for index in [name for name, _ in indexes] + [name for name, kind, _ in keys if kind in "pu"]:
        sql(using, f"ALTER INDEX {index} RENAME TO {index}_{PAST}")
    sql(using, f"ALTER TABLE {table} RENAME TO {past}")
    sql(
        using,
        f"CREATE TABLE {table} (LIKE {past} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        f" INCLUDING STORAGE INCLUDING COMMENTS) PARTITION BY RANGE ({divided.column})",
    )
    _hand_over(using, past, table)
    for name, kind, definition in keys:
        if kind == "p":
            sql(using, f"ALTER TABLE {past} DROP CONSTRAINT {name}_{PAST}")
            sql(
                using,
                f"ALTER TABLE {past} ADD CONSTRAINT {name}_{PAST}"
                f" PRIMARY KEY USING INDEX {_new_key(divided)}",
            )
            definition = f"PRIMARY KEY (id, {divided.column})"
        sql(using, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        sql(using, definition)
    if sequence:
        _take_sequence(using, table, *sequence)
    options = options_of(using, past)
    create_part(using, divided, f"{table}_{DEFAULT}", "DEFAULT", options)
    moving = set_aside(using, divided, past, within, [division.until])
    if division.rows:
        sql(using, f"DELETE FROM {past} WHERE {within}", [division.until])
        sql(using, f"ALTER TABLE {table} ATTACH PARTITION {past} {bounds(None, division.until)}")
    else:
        sql(using, f"DROP TABLE {past}")
    for month in division.months:
        said = bounds(month, next_month(month))
        create_part(using, divided, f"{table}_{month:%Y_%m}", said, options)
    put_back(using, divided, moving)


def _keys(using: str, table: str) -> list[tuple[str, str, str]]:
    """Give primary, unique and foreign keys: name, kind and definition."""
    found = sql(
        using,
        "SELECT quote_ident(conname), contype::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'u', 'f') ORDER BY contype DESC",
        [table],
    )
    return [(name, kind, definition) for name, kind, definition in found]


def _indexes(using: str, table: str) -> list[tuple[str, str]]:
    """Give the indexes that no key has: name and definition."""
    found = sql(
        using,
        "SELECT quote_ident(c.relname), pg_get_indexdef(i.indexrelid)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass(%s) AND c.relname <> %s AND NOT EXISTS"
        " (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND conrelid = i.indrelid)",
        [table, f"{table}_{PAST}_key"],
    )
    return [(name, definition) for name, definition in found]


def _let_go_of_sequence(using: str, table: str) -> tuple[str, int] | None:
    """Take the sequence of the ids from a table; gives its name, and what it gives next."""
    name = sql(using, "SELECT pg_get_serial_sequence(%s, 'id')", [table])[0][0]
    if name is None:
        return None
    following = sql(using, f"SELECT last_value + is_called::int FROM {name}")[0][0]
    # Before PostgreSQL 17 a partitioned table has no identity columns.
    sql(using, f"ALTER TABLE {table} ALTER COLUMN id DROP IDENTITY")
    return name, following


def _take_sequence(using: str, table: str, name: str, following: int) -> None:
    sql(using, f"CREATE SEQUENCE {name} START WITH {following} OWNED BY {table}.id")
    sql(using, f"ALTER TABLE {table} ALTER COLUMN id SET DEFAULT nextval('{name}')")


def _hand_over(using: str, source: str, table: str) -> None:
    """Give a table the owner and the grants that another has."""
    ((owner,),) = sql(
        using,
        "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = to_regclass(%s)",
        [source],
    )
    grants = sql(
        using,
        "SELECT a.privilege_type, coalesce(quote_ident(r.rolname), 'PUBLIC')"
        " FROM pg_class c, aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee"
        " WHERE c.oid = to_regclass(%s) AND a.grantee <> c.relowner",
        [source],
    )
    for privilege, role in grants:
        sql(using, f"GRANT {privilege} ON {table} TO {role}")
    sql(using, f"ALTER TABLE {table} OWNER TO {owner}")
