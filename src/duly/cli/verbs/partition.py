"""`duly partition`: divides occurrences and ledger by month, so that history goes by the month."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence

from duly import clock
from duly.conf import config
from duly.store import partitioning, partitions
from duly.store.partitioning import Division


def perform(options: Namespace) -> int:
    """Divide the tables, or say what would be done."""
    using = config().database
    now = clock.now(using)
    begin = partitioning.plan if options.dry_run else partitioning.divide
    divisions = begin(using, now)
    made = [] if divisions or options.dry_run else partitions.make_ahead(using, now)
    if options.json:
        print(json.dumps(_data(divisions, made) | {"dry_run": options.dry_run}))
        return 0
    if divisions:
        for division in divisions:
            print(_told(division, options.dry_run))
        return 0
    print("occurrences and ledger are partitioned already")
    for name in made:
        print(f"made {name}")
    return 0


def _told(division: Division, dry_run: bool) -> str:
    table, stay = division.divided.table, division.rows - division.copied
    verb = "would become" if dry_run else "is now"
    past = f"{stay} rows stay as they are, as {table}_past until {division.until:%Y-%m}"
    kept = past if division.rows else "it is empty"
    months = f"{division.months[0]:%Y-%m} to {division.months[-1]:%Y-%m}"
    return (
        f"{table} {verb} partitioned by {division.divided.column}: {kept}; "
        f"{division.copied} rows copied; months {months}, and DEFAULT"
    )


def _data(divisions: Sequence[Division], made: Sequence[str]) -> dict[str, object]:
    tables = [
        {
            "table": division.divided.table,
            "by": division.divided.column,
            "rows": division.rows,
            "copied": division.copied,
            "past_until": division.until.isoformat() if division.rows else None,
            "months": [month.isoformat() for month in division.months],
        }
        for division in divisions
    ]
    return {"tables": tables, "made": list(made)}
