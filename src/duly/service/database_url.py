"""Database URLs: one line of text that says which database, read into Django's form."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from duly.errors import ConfigurationError

# A writer waits this long for another before it fails; transactions take milliseconds.
SQLITE_TIMEOUT_SECONDS = 20
# FULL: what was acknowledged is on the disk, also when the power fails.
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"
FORMS = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
# libpq takes these in the query as well, as for a host that is a folder of sockets.
_IN_QUERY = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}


def database_from_url(url: str) -> dict[str, Any]:
    """Turn a URL into one entry of Django's DATABASES.

    url: `sqlite:///relative.sqlite3`, `sqlite:////absolute/path`, or
        `postgresql://user:password@host:port/name?sslmode=require`; parts that hold
        special characters are percent-encoded (RFC 3986 2.1). What the query says goes
        to libpq as it is.

    Raises ConfigurationError for any other scheme, and where psycopg is missing. No
    message repeats the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"the database URL is malformed: {error}") from None
    match parts.scheme:
        case "sqlite" | "sqlite3":
            return _sqlite(parts)
        case "postgresql" | "postgres":
            return _postgresql(parts, port)
        case "":
            raise ConfigurationError(f"the database URL has no scheme; it must be {FORMS}")
    raise ConfigurationError(f"unknown database scheme {parts.scheme!r}; it must be {FORMS}")


def sqlite_database(path: Path) -> dict[str, Any]:
    """Give the entry of Django's DATABASES for an SQLite file."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": SQLITE_TIMEOUT_SECONDS,
            "transaction_mode": "IMMEDIATE",
            "init_command": SQLITE_PRAGMAS,
        },
    }


def _sqlite(parts: SplitResult) -> dict[str, Any]:
    name = unquote(parts.path[1:])
    if parts.netloc:
        raise ConfigurationError(
            f"sqlite://{parts.netloc}… names a host; a file is sqlite:///relative.sqlite3 "
            "or sqlite:////absolute/path.sqlite3"
        )
    if not name:
        raise ConfigurationError("the database URL names no file, as sqlite:///duly.sqlite3 does")
    if name == ":memory:":
        raise ConfigurationError(
            "sqlite:///:memory: is seen by one thread alone, and nothing of it is durable; "
            "name a file, as sqlite:///duly.sqlite3 does"
        )
    if parts.query:
        raise ConfigurationError(f"SQLite takes no options in its URL, got ?{parts.query}")
    return sqlite_database(Path(name))


def _postgresql(parts: SplitResult, port: int | None) -> dict[str, Any]:
    if find_spec("psycopg") is None:
        raise ConfigurationError("PostgreSQL needs psycopg: pip install 'duly[postgres]'")
    database: dict[str, Any] = {
        "ENGINE": "duly.service.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": _host(parts.netloc),
        "PORT": str(port or ""),
        "OPTIONS": {},
    }
    for name, value in parse_qsl(parts.query):
        if name in _IN_QUERY:
            database[_IN_QUERY[name]] = value
        else:
            database["OPTIONS"][name] = value
    if not database["NAME"]:
        raise ConfigurationError(f"the database URL names no database; it must be {FORMS}")
    return database


def _host(netloc: str) -> str:
    """Give the host as it was written: `SplitResult.hostname` would lower a folder's case."""
    address = netloc.rpartition("@")[2]
    bracketed = re.match(r"\[(.*)\]", address)
    return bracketed[1] if bracketed else unquote(address.partition(":")[0])
