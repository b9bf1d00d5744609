"""Every statement that duly sends to a database."""

from __future__ import annotations

from django.db import connections

from duly.store.contract import Store


def open_store(using: str) -> Store:
    """Give the store of a database alias: PostgreSQL's own, else the portable one."""
    if connections[using].vendor == "postgresql":
        from duly.store.postgres import PostgresStore  # noqa: PLC0415 - psycopg is an extra

        return PostgresStore(using)
    from duly.store.portable import PortableStore  # noqa: PLC0415 - models must be loaded

    return PortableStore(using)
