"""About how many rows a table has, without counting them."""

from __future__ import annotations

from django.db import connections
from django.db.models import Model


def estimated_rows(using: str, model: type[Model]) -> int | None:
    """Give what the database believes since it last looked; None where it keeps no such number.

    Partitions are added up, since their parent has no rows of its own.
    Source: PostgreSQL's manual, 52.11 "pg_class".
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(greatest(c.reltuples, 0))::bigint FROM pg_class c"
            " WHERE c.oid = to_regclass(%s) OR c.oid IN"
            " (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%s))",
            [model._meta.db_table] * 2,
        )
        found = cursor.fetchone()[0]
    return int(found) if found else None
