"""How statements reach PostgreSQL: what is written as text is read as it was, sessions are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from duly.store.statements import array, own_connections, quoted, rows_of
from tests.faults.campaign.network import Pooler, why_no_pooler

# PostgreSQL stores neither NUL nor half of a surrogate pair; error texts have none.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TRICKY = ["", " ", "NULL", "null", "{}", '{"a": "b\\"c"}', "a,b", "\\", '"', "\n\t", "ß€😀"]


@given(st.lists(texts | st.sampled_from(TRICKY) | st.none()))
@settings(max_examples=100, deadline=None)
def test_an_array_is_read_as_it_was_written(values: list[str | None]) -> None:
    written = array(None if value is None else quoted(value) for value in values)

    assert _read_array(written) == values


def _read_array(written: str) -> Any:
    """Read it with psycopg's parser of what the server writes, which is of the same form."""
    from psycopg.adapt import Transformer
    from psycopg.types.array import ArrayLoader

    class TextArrayLoader(ArrayLoader):
        base_oid = 25

    return TextArrayLoader(1009, Transformer().connection).load(written.encode())


@pytest.mark.only_postgres
@pytest.mark.parametrize("value", TRICKY)
def test_the_server_reads_it_so_too(database: str, value: str) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [array([quoted(value), None])])
        assert cursor.fetchone() == ([value, None],)


@pytest.mark.only_postgres
def test_a_connection_that_is_the_engines_own_is_set_up_for_its_statements(database: str) -> None:
    assert _in_thread(lambda: _session(database, owns=True)) == ("force_generic_plan", 0)


@pytest.mark.only_postgres
def test_a_connection_that_is_the_callers_is_left_as_it_is(database: str) -> None:
    assert _in_thread(lambda: _session(database, owns=False)) == ("auto", None)


@pytest.mark.only_postgres
@pytest.mark.skipif(bool(why_no_pooler()), reason=why_no_pooler())
def test_a_session_that_a_pooler_hands_on_is_left_as_it_is(
    database: str, database_url: str
) -> None:
    of_database = connections.settings[database]
    port = of_database["PORT"]
    with Pooler(database_url) as pooler:
        of_database["PORT"] = pooler.port
        try:
            assert _in_thread(lambda: _session(database, owns=True)) == ("auto", None)
        finally:
            of_database["PORT"] = port


def _session(using: str, *, owns: bool) -> tuple[str, int | None]:
    if owns:
        own_connections()
    try:
        rows_of(using, "horizon", {"events_since": None, "occurrences_since": None})
        raw = connections[using].connection
        with connections[using].cursor() as cursor:
            cursor.execute("SHOW plan_cache_mode")
            (mode,) = cursor.fetchone()
        return mode, raw.prepare_threshold
    finally:
        connections.close_all()


def _in_thread(function: Callable[[], Any]) -> Any:
    """Run it where no connection is open yet."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
