"""Which store answers for which database."""

from __future__ import annotations

from django.db import connections

from duly.store.contract import Store
from duly.store.portable import PortableStore
from duly.store.postgres import PostgresStore


def open_store(using: str) -> Store:
    """Give the store of a database alias: PostgreSQL's own, else the portable one."""
    vendor = connections[using].vendor
    return PostgresStore(using) if vendor == "postgresql" else PortableStore(using)
