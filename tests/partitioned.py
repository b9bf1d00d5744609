"""A copy of the PostgreSQL test database whose tables are partitioned.

In parts of three hours around the instant that tests begin at, so that a day of history goes
through several of them; what lies further away is in DEFAULT.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connections

from duly.store import partitioning
from duly.store.partitions import DIVIDED, bounds, create_part, options_of, parts, sql
from tests.builders import NOW

ALIAS = "postgres"
LENGTH = timedelta(hours=3)
COUNT = 8


def create(suffix: str = "partitioned") -> str:
    """Copy the test database, to which nobody may be connected; gives the name of the copy."""
    name = str(connections[ALIAS].settings_dict["NAME"])
    copy = f"{name}_{suffix}"
    connections[ALIAS].close()
    with connections[ALIAS]._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    return copy


def drop(copy: str) -> None:
    """Drop the copy, whoever is still connected."""
    connections[ALIAS].close()
    with connections[ALIAS]._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{copy}" WITH (FORCE)')


@contextmanager
def in_place_of(copy: str) -> Iterator[None]:
    """Let the alias mean the copy, in every thread that connects from now on."""
    settings = connections[ALIAS].settings_dict
    name = settings["NAME"]
    connections.close_all()
    settings["NAME"] = connections.settings[ALIAS]["NAME"] = copy
    try:
        yield
    finally:
        connections.close_all()
        settings["NAME"] = connections.settings[ALIAS]["NAME"] = name


def divide() -> None:
    """Partition the empty tables, and make those parts that are not there."""
    partitioning.divide(ALIAS, NOW)
    for divided in DIVIDED:
        there = parts(ALIAS, divided)
        for part in there:
            if part.since and part.until and part.until - part.since != LENGTH:
                sql(ALIAS, f"DROP TABLE {part.name}")
        for number in range(COUNT):
            since = NOW + number * LENGTH
            if since not in [part.since for part in there]:
                name = f"{divided.table}_{number}"
                options = options_of(ALIAS, f"{divided.table}_default")
                create_part(ALIAS, divided, name, bounds(since, since + LENGTH), options)
