"""Real servers for tests, without anyone's help.

`PostgresServer` and `RedisServer` start one of their own. `postgres_for_tests` and
`redis_for_tests` first look whether the environment names one that runs already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from duly.testing.postgres_server import PostgresServer
from duly.testing.processes import ServerError
from duly.testing.redis_server import RedisServer

POSTGRES_VARIABLE = "DULY_TEST_DATABASE_URL"
REDIS_VARIABLE = "DULY_TEST_REDIS_URL"

__all__ = [
    "PostgresServer",
    "RedisServer",
    "ServerError",
    "postgres_for_tests",
    "redis_for_tests",
]


@contextmanager
def postgres_for_tests() -> Iterator[str]:
    """Give the URL in DULY_TEST_DATABASE_URL, or that of a server started for this block."""
    named = os.environ.get(POSTGRES_VARIABLE)
    if named:
        yield named
        return
    with PostgresServer() as server:
        yield server.url


@contextmanager
def redis_for_tests() -> Iterator[str]:
    """Give the URL in DULY_TEST_REDIS_URL, or that of a server started for this block."""
    named = os.environ.get(REDIS_VARIABLE)
    if named:
        yield named
        return
    with RedisServer() as server:
        yield server.url
