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


# A server that has gone silent is noticed within some ten seconds, where TCP's own defaults
# take from fifteen minutes to two hours (PostgreSQL's manual, 34.1.2 "Parameter Key Words").
_NOTICE_SILENCE = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "tcp_user_timeout": 5000,
}


def notice_silence(using: str) -> None:
    """Give up on a silent database in this process, unless its OPTIONS say otherwise.

    For connections that are opened from now on. An engine must: cut off from its database it
    would wait in silence, and never come back.
    """
    if connections[using].vendor == "postgresql":
        options = connections.settings[using]["OPTIONS"]
        for name, value in _NOTICE_SILENCE.items():
            options.setdefault(name, value)
