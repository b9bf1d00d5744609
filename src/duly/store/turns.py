"""Whose turn it is to write to an SQLite file.

SQLite lets one connection write at a time, and the others ask again after sleeps of up to
a tenth of a second, in no order. With four writing threads in each engine that alone made
the 99th percentile of lateness. Here they queue: threads of one process at a lock, and
processes at a lock on a file beside the database, which the kernel hands on at once.

Only a courtesy: a writer that does not queue waits as SQLite has it, and nothing breaks.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.db import connections, transaction

if sys.platform != "win32":
    from fcntl import LOCK_EX, LOCK_UN, flock

SUFFIX = "-duly-turn"


class Turns:
    """The queue of the writers of one database file."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        if not os.path.isfile(path):  # In memory: there are no other processes.
            return
        with suppress(OSError):
            self._descriptor = os.open(Path(path + SUFFIX), os.O_RDWR | os.O_CREAT, 0o660)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn to write, and hand it on at the end."""
        with self._lock:
            # On Windows the threads of one process still queue.
            if sys.platform == "win32" or self._descriptor is None:
                yield
                return
            flock(self._descriptor, LOCK_EX)
            try:
                yield
            finally:
                flock(self._descriptor, LOCK_UN)


@cache
def turns_of(path: str) -> Turns:
    """Give the queue of a database file."""
    return Turns(path)


@contextmanager
def transaction_in_turn(using: str) -> Iterator[None]:
    """Run a transaction; on SQLite, once it is this writer's turn."""
    connection = connections[using]
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        turns = turns_of(str(connection.settings_dict["NAME"]))
        with turns.take(), transaction.atomic(using):
            yield
    else:
        with transaction.atomic(using):
            yield


@contextmanager
def statement_in_turn(using: str) -> Iterator[None]:
    """Run one statement that writes, without a transaction around it; on SQLite, in turn."""
    connection = connections[using]
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with turns_of(str(connection.settings_dict["NAME"])).take():
            yield
    else:
        yield
