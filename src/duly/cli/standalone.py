"""Readies the standalone mode: what its settings must fulfil, and its tables."""

from __future__ import annotations

import time

from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from duly.civil import zones
from duly.conf import config

# Processes that start at once on an empty database all try to make its tables.
ATTEMPTS = 20
WAIT_SECONDS = 0.25


def check() -> None:
    """Refuse settings that cannot work. Raises ConfigurationError."""
    zones.use(config().tzdata)


def create_tables() -> None:
    """Bring the tables to the present release, whoever else does the same at this moment."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if _up_to_date():
                return
            call_command("migrate", verbosity=0, interactive=False)
            return
        except DatabaseError:
            connections.close_all()
            if attempt == ATTEMPTS or not _reachable():
                raise
            time.sleep(WAIT_SECONDS)


def _up_to_date() -> bool:
    executor = MigrationExecutor(connections[config().database])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _reachable() -> bool:
    try:
        connections[config().database].ensure_connection()
    except DatabaseError:
        return False
    return True
