"""A health check that costs no round trip while a connection is busy, and misses nothing."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections

from duly.service.postgresql.base import TRUSTED_SECONDS, DatabaseWrapper

pytestmark = pytest.mark.only_postgres


@pytest.fixture
def connection(database: str) -> Iterator[DatabaseWrapper]:
    """A connection of its own, such as a thread of the service has."""
    options = connections[database].settings_dict | {"CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60}
    made = DatabaseWrapper(options, DEFAULT_DB_ALIAS)
    made.connect()
    yield made
    made.close()


def asked(connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Begin a request, and give what the server was asked before its first statement."""
    found: list[str] = []
    real = type(connection.connection).cursor

    def cursor(self: Any, *args: Any, **options: Any) -> Any:
        found.append("SELECT 1")
        return real(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(type(connection.connection), "cursor", cursor)
        connection.close_if_unusable_or_obsolete()
        connection.close_if_health_check_failed()
    return found


def backend(connection: DatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        found: int = cursor.fetchone()[0]
    return found


def test_a_busy_connection_is_asked_once_and_not_for_each_request(
    connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(connection, monkeypatch) == ["SELECT 1"]
    assert [asked(connection, monkeypatch) for _ in range(3)] == [[], [], []]


def test_one_that_was_silent_for_a_while_is_asked(
    connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(connection, monkeypatch)
    connection._answered_at -= TRUSTED_SECONDS

    assert asked(connection, monkeypatch) == ["SELECT 1"]


def test_one_on_which_a_statement_failed_is_asked(
    connection: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(connection, monkeypatch)
    connection.errors_occurred = True

    assert asked(connection, monkeypatch) == ["SELECT 1"]


def test_one_that_the_server_has_ended_is_made_anew_and_no_statement_fails(
    connection: DatabaseWrapper, database: str
) -> None:
    before = backend(connection)
    connection.close_if_unusable_or_obsolete()
    assert connection.is_usable()
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before])
    # Until the server's word has come; it takes microseconds.
    waiting = select.poll()
    waiting.register(connection.connection.fileno(), select.POLLIN)
    assert waiting.poll(10_000)

    connection.close_if_unusable_or_obsolete()

    assert backend(connection) != before
