"""Lender: connections that stay open, lent to whichever thread asks something of the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from duly.store.statements import owned


class Lender:
    """As many connections as threads ask at once.

    A thread's own would be opened for every task: Celery closes those before and after each,
    and under gevent each task is a thread of its own.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._free: deque[BaseDatabaseWrapper] = deque()

    @contextmanager
    def lent(self) -> Iterator[BaseDatabaseWrapper]:
        """Let the thread use one of them in place of its own."""
        try:
            connection = self._free.pop()
        except IndexError:
            connection = connections.create_connection(self._using)
            connection.inc_thread_sharing()
        before = connections[self._using]
        connections[self._using] = connection
        try:
            with owned():
                yield connection
        finally:
            connections[self._using] = before
            self._free.append(connection)

    def close(self) -> None:
        """Close those that are not lent."""
        while self._free:
            self._free.pop().close()
