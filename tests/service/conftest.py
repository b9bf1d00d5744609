"""A service that runs, for the tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duly.testing.servers import PostgresServer
from tests.service.serving import Serving

HANDLERS = """
import pathlib
import duly

@duly.handler("note")
def note(occurrence):
    pathlib.Path("noted").open("a").write(occurrence.idempotency_key + "\\n")
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One on SQLite, with a handler of the type "note", which writes into the file `noted`."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "notes.py").write_text(HANDLERS)
    with Serving(folder, variables={"DULY_HANDLERS": "notes"}) as serving:
        yield serving


@pytest.fixture
def crashable_postgres_url(crashable_postgres: PostgresServer) -> str:
    """Name an empty database of a server of the test's own."""
    return crashable_postgres.url
