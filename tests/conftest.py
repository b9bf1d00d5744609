"""Databases and servers for every test.

`database` runs a test on each database in turn and gives its alias; commits are real, so
threads and processes see them. `database_url` names the same database to another process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.apps import apps
from django.core.management.color import no_style
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from pytest_django.plugin import DjangoDbBlocker

from duly.service.database_url import database_from_url
from duly.testing.servers import (
    POSTGRES_VARIABLE,
    REDIS_VARIABLE,
    PostgresServer,
    postgres_for_tests,
    redis_for_tests,
)
from tests import partitioned
from tests.settings import DATABASE_ALIASES

# How long the clean-up waits for a lock that a test forgot to give back.
LOCK_WAIT = "10s"
PARTITIONED = "partitioned"
# They reach the database through the layers beneath, which are tried on each.
OUTER = frozenset({"access", "admin", "bench", "cli", "dashboard", "doctor", "exporters", "rest"})
# They take long, and test what is the same everywhere.
LONG = frozenset({"test_saga_crashes.py", "test_saga_races.py"})
SERVERS = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--everywhere`."""
    parser.addoption("--everywhere", action="store_true", help="the outer layers on SQLite as well")


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, once for all workers, which find them in their environment."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    servers = ExitStack()
    config.stash[SERVERS] = servers
    folder = tempfile.mkdtemp(prefix="duly-tests-")
    servers.callback(shutil.rmtree, folder, ignore_errors=True)
    os.environ["DULY_TEST_FOLDER"] = folder
    os.environ[POSTGRES_VARIABLE] = servers.enter_context(postgres_for_tests())
    os.environ[REDIS_VARIABLE] = servers.enter_context(redis_for_tests())
    # Without workers the settings have been read already, before there was a server.
    connections.settings["default"]["TEST"]["NAME"] = str(Path(folder) / "test_duly.sqlite3")
    connections.settings["postgres"].update(database_from_url(os.environ[POSTGRES_VARIABLE]))
    connections.settings["postgres"]["TEST"]["NAME"] = "test_duly"


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    if servers := config.stash.get(SERVERS, None):
        servers.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs on PostgreSQL or Redis, so that `-m "not postgres"` leaves it out."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if (
            parameters.get("database") in ("postgres", PARTITIONED)
            or "crashable_postgres" in fixtures
        ):
            item.add_marker("postgres")
        if "redis_url" in fixtures:
            item.add_marker("redis")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """Create the test databases by running the migrations, whichever marks the tests have."""
    with django_db_blocker.unblock():
        created = setup_databases(verbosity=0, interactive=False, serialized_aliases=[])
    yield
    with django_db_blocker.unblock():
        _end_other_sessions("postgres")
        teardown_databases(created, verbosity=0)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `database` on each; on partitioned tables too, where it asks for that."""
    if "database" in metafunc.fixturenames:
        names = list(DATABASE_ALIASES)
        path = metafunc.definition.path
        part = path.relative_to(Path(__file__).parent).parts[0]
        is_outer = part in OUTER or path.name in LONG
        if is_outer and not metafunc.config.getoption("everywhere"):
            names = ["postgres"]
        if metafunc.definition.get_closest_marker("only_postgres"):
            names = ["postgres"]
        if metafunc.definition.get_closest_marker("also_partitioned"):
            names.append(PARTITIONED)
        metafunc.parametrize("database", names, indirect=True)


@pytest.fixture
def database(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Run the test on each database; gives the alias. The tables of duly are empty before."""
    with django_db_blocker.unblock(), ExitStack() as stack:
        if request.param == PARTITIONED:
            copy = request.getfixturevalue("partitioned_copy")
            stack.enter_context(partitioned.in_place_of(copy))
            partitioned.divide()
        alias = DATABASE_ALIASES.get(request.param, partitioned.ALIAS)
        try:
            yield alias
        finally:
            _forget_calls()
            _empty(alias)
            connections.close_all()


@pytest.fixture(scope="session")
def partitioned_copy(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give the name of a PostgreSQL database whose tables are partitioned."""
    with django_db_blocker.unblock():
        _end_other_sessions(partitioned.ALIAS)
        copy = partitioned.create()
    yield copy
    with django_db_blocker.unblock():
        partitioned.drop(copy)


@pytest.fixture
def flat_copy(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give a test a PostgreSQL database that it may change for good; its alias is "postgres"."""
    with django_db_blocker.unblock():
        _end_other_sessions(partitioned.ALIAS)
        copy = partitioned.create("flat")
        try:
            with partitioned.in_place_of(copy):
                yield copy
        finally:
            partitioned.drop(copy)


@pytest.fixture
def is_partitioned(request: pytest.FixtureRequest) -> bool:
    """Say whether the test runs on partitioned tables."""
    return bool(request.node.callspec.params["database"] == PARTITIONED)


@pytest.fixture
def database_url(database: str) -> str:
    """Name the test database of `database` to another process, as in DULY_DATABASE_URL."""
    return _url_of(database)


@pytest.fixture
def crashable_postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server of the test's own, with fsync on, to be stopped and killed."""
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(worker_id: str) -> str:
    """Name a Redis database of this worker's own."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    return os.environ[REDIS_VARIABLE].rpartition("/")[0] + f"/{number % 16}"


def _forget_calls() -> None:
    """Keep calls of this test, which are written a second later, out of the next one's ledger."""
    # Imported here: its models want settings that are read once there are servers.
    from duly.access.calls import call_log

    call_log.forget()


def _empty(alias: str) -> None:
    """Delete every row of duly's tables."""
    connection = connections[alias]
    if connection.in_atomic_block:  # The test failed, or forgot, inside a transaction.
        connection.close()
        connection.in_atomic_block = False
        connection.savepoint_ids = []
    tables = [model._meta.db_table for model in apps.get_app_config("duly").get_models()]
    # Emptying makes files anew, for each index too: only of tables where there is something.
    looks = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in set(tables))
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        used = [table for (table,) in cursor.fetchall()]
    if not used:
        return
    statements = connection.ops.sql_flush(no_style(), used, allow_cascade=True)
    if connection.vendor == "postgresql":
        statements.insert(0, f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    connection.ops.execute_sql_flush(statements)


def _end_other_sessions(alias: str) -> None:
    """Let go of the database, whatever threads of the tests still hold."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connections.close_all()


def _url_of(alias: str) -> str:
    settings: dict[str, Any] = connections[alias].settings_dict
    if connections[alias].vendor == "sqlite":
        return f"sqlite:///{quote(str(settings['NAME']))}"
    user, password = quote(settings["USER"], safe=""), quote(settings["PASSWORD"], safe="")
    where = f"{settings['HOST']}:{settings['PORT']}" if settings["PORT"] else settings["HOST"]
    options = f"?{urlencode(settings['OPTIONS'])}" if settings["OPTIONS"] else ""
    return f"postgresql://{user}:{password}@{where}/{settings['NAME']}{options}"
