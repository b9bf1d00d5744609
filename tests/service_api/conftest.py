"""The service alone, on each database, once for all tests that do not break it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from duly.testing.servers import POSTGRES_VARIABLE
from tests.service_api.running import Running, running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the service on PostgreSQL, and with `--everywhere` on SQLite as well."""
    if "service" in metafunc.fixturenames:
        kinds = ["sqlite", "postgres"] if metafunc.config.getoption("everywhere") else ["postgres"]
        metafunc.parametrize("service", kinds, indirect=True, scope="package")


@pytest.fixture(scope="package")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Run the service on each database in turn."""
    folder = tmp_path_factory.mktemp("service")
    with empty_database(request.param, folder) as url, running(url, folder) as service:
        yield service


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of a database of the test's own."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'service.sqlite3'}"
        return
    url = os.environ[POSTGRES_VARIABLE]
    name = f"duly_service_{os.getpid()}_{folder.name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        head, _, tail = url.rpartition(f"/{connection.info.dbname}")
        yield f"{head}/{name}{tail}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
