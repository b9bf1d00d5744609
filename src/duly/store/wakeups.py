"""How one process hears that another has scheduled something soon.

A wake-up is only ever a hint: whatever is lost costs at most one poll.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connections, transaction

from duly.policy.backoff import Backoff
from duly.telemetry import emit

CHANNEL = "duly_wakeup"
# NOTIFY takes a database-wide lock at commit; more often than this helps nobody.
THROTTLE_SECONDS = 0.05
# SQLite cannot notify; asking it whether anybody has written takes a few microseconds.
WATCH_SECONDS = 0.05
# A half-open connection says nothing for ever; a probe finds it out.
PROBE_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

_last_notified: dict[str, tuple[float, datetime, bool]] = {}


def notify_after_commit(using: str, due_at: datetime, now: datetime, within: timedelta) -> None:
    """Wake the engines once the caller's transaction commits, if `due_at` is that near.

    PostgreSQL only; sent after the commit, on its own, so that the caller's transaction
    never waits for the lock that NOTIFY takes.
    """
    if due_at - now > within or connections[using].vendor != "postgresql":
        return
    transaction.on_commit(lambda: _notify(using, due_at), using=using, robust=True)


def _notify(using: str, due_at: datetime) -> None:
    at, earliest, is_second = _last_notified.get(using, (-THROTTLE_SECONDS, due_at, False))
    is_throttled = time.monotonic() - at < THROTTLE_SECONDS
    # Once more for something earlier, which an engine may not look for otherwise.
    if is_throttled and (is_second or due_at >= earliest):
        return
    _last_notified[using] = time.monotonic(), due_at, is_throttled
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, due_at.isoformat()])


def _due_at(payload: str) -> datetime | None:
    """Read what `_notify` said; None for anything else that somebody may have sent."""
    try:
        due_at = datetime.fromisoformat(payload)
    except ValueError:
        return None
    return due_at if due_at.tzinfo else None


class Watcher(Protocol):
    """Calls back when something may have been scheduled, until told to stop."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


Wake = Callable[[datetime | None], None]
"""Is told of what was scheduled, or None where that is not known."""


def watch(using: str, wake: Wake, *, listen: bool) -> Watcher:
    """Give the watcher that fits the database."""
    connection = connections[using]
    if connection.vendor == "postgresql" and listen:
        return PostgresListener(connection.get_connection_params(), wake)
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and "memory" not in name:
        return SqliteWatcher(name, wake)
    return NoWatcher()


class NoWatcher:
    """Where nothing can be heard: polling alone."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


class SqliteWatcher:
    """Notices that somebody else has committed to the database file.

    Source: `PRAGMA data_version`, https://www.sqlite.org/pragma.html#pragma_data_version.
    """

    def __init__(self, path: str, wake: Wake) -> None:
        self._path = path
        self._wake = wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duly-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        import sqlite3

        connection = sqlite3.connect(self._path)
        try:
            seen = None
            while not self._stopping.wait(WATCH_SECONDS):
                version = connection.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    seen = version
                    self._wake(None)
        finally:
            connection.close()


class PostgresListener:
    """LISTENs on a connection of its own, and comes back when that breaks."""

    def __init__(self, parameters: dict[str, Any], wake: Wake) -> None:
        self._parameters = own_connection(parameters)
        self._wake = wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="duly-listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=2 * WATCH_SECONDS + 1)

    def _run(self) -> None:
        backoff = Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        while not self._stopping.is_set():
            try:
                self._listen()
                backoff.worked()
            except Exception as error:
                wait = backoff.failed()
                emit("listener.faulted", error=repr(error), wait_seconds=wait)
                self._stopping.wait(wait)

    def _listen(self) -> None:
        import psycopg

        with psycopg.connect(**self._parameters, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            # Whatever was scheduled while nobody listened.
            self._wake(None)
            probed = time.monotonic()
            while not self._stopping.is_set():
                for notify in connection.notifies(timeout=0.5, stop_after=1):
                    self._wake(_due_at(notify.payload))
                if time.monotonic() - probed > PROBE_SECONDS:
                    connection.execute("SELECT 1")
                    probed = time.monotonic()


def own_connection(parameters: dict[str, Any]) -> dict[str, Any]:
    """Keep of Django's connection parameters what plain psycopg takes."""
    djangos_own = ("cursor_factory", "context", "prepare_threshold")
    return {key: value for key, value in parameters.items() if key not in djangos_own}
