"""A database of the bench's own, beside the configured one, which it never touches."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from duly.errors import ConfigurationError
from duly.service.database_url import database_from_url, sqlite_database

PREFIX = "duly_bench_"
_INSTEAD = "make an empty database and name it: duly bench --database-url URL"
_KEPT = ("USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where the bench runs."""

    database: dict[str, Any]
    """An entry of Django's DATABASES."""
    where: str
    is_ours: bool


@contextmanager
def scratch_database(url: str | None, using: str) -> Iterator[Scratch]:
    """Give a database to run on: that of the URL, or a new one beside `using`, dropped after.

    Raises ConfigurationError where none can be made, saying what to do instead.
    """
    if url is not None:
        database = database_from_url(url)
        yield Scratch(database, f"{_name(database)}, named by --database-url", False)
        return
    vendor = connections[using].vendor
    name = PREFIX + secrets.token_hex(6)
    match vendor:
        case "postgresql":
            with _postgresql(using, name) as scratch:
                yield scratch
        case "sqlite":
            with _sqlite(using, name) as scratch:
                yield scratch
        case _:
            raise ConfigurationError(f"the bench knows PostgreSQL and SQLite, not {vendor}")


@contextmanager
def _postgresql(using: str, name: str) -> Iterator[Scratch]:
    """Create a database on the same server, with the same role."""
    connection = connections[using]
    configured = connection.settings_dict
    database = {key: configured[key] for key in _KEPT} | {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
    }
    try:
        try:
            # template0: nobody can be connected to it, which would forbid to copy it.
            _execute(using, f'CREATE DATABASE "{name}" TEMPLATE template0')
        except DatabaseError as error:
            raise ConfigurationError(
                f"no database can be created beside {str(configured['NAME'])!r}: "
                f"{' '.join(str(error).split())}; {_INSTEAD}"
            ) from error
        yield Scratch(database, f"{name}, beside {configured['NAME']}", True)
    finally:
        with _undisturbed():
            # As long as the bench took, the server may have closed an idle connection.
            connection.close()
            _execute(using, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def _sqlite(using: str, name: str) -> Iterator[Scratch]:
    """Make a file in the same folder, which is on the same disk."""
    configured = connections[using].settings_dict
    beside = Path(str(configured["NAME"]))
    # In memory, or a URI: another process would not see it.
    if not str(beside) or ":" in beside.name or "?" in beside.name:
        raise ConfigurationError(f"the database {str(beside)!r} is no file; {_INSTEAD}")
    path = (beside.parent / f"{name}.sqlite3").absolute()
    database = sqlite_database(path) | {"OPTIONS": configured["OPTIONS"]}
    try:
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be made: {error}; {_INSTEAD}") from error
        yield Scratch(database, f"{path.name}, beside {beside.name}", True)
    finally:
        with _undisturbed():
            for left in path.parent.glob(f"{path.name}*"):
                left.unlink(missing_ok=True)


def _execute(using: str, statement: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(statement)


def _name(database: dict[str, Any]) -> str:
    return Path(database["NAME"]).name


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C leave half of it behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # None: it was not Python that had set it.
                signal.signal(number, handler)
