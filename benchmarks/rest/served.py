"""A service on a PostgreSQL of its own, with its engine within it or beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import psycopg

from duly.testing.processes import free_port
from duly.testing.servers import PostgresServer

SERVICE = "bench"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
Where = Literal["within", "beside"]


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs."""

    url: str
    database_url: str
    lateness: Path
    environment: Mapping[str, str]
    """Of those who call it."""


@contextmanager
def served(engine: Where) -> Iterator[Served]:
    """Run a service for a block. engine: in the process that serves, or in one of its own."""
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer(durable=True))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = free_port()
        environment = _environment(server.url, folder)
        made = _duly(
            ["keys", "create", SERVICE, "--name", "bench", "--scopes", "read,schedule", "--json"],
            environment,
        )
        serve = ["serve", "--port", str(port)]
        if engine == "beside":
            stack.enter_context(_running(["run"], environment, folder / "engine.log"))
            serve.append("--no-engine")
        stack.enter_context(_running(serve, environment, folder / "serve.log"))
        url = f"http://127.0.0.1:{port}"
        _await_ready(url, folder / "serve.log")
        key = json.loads(made)["key"]
        callers = {"DULY_URL": url, "DULY_SERVICE": SERVICE, "DULY_KEY": key}
        yield Served(url, server.url, folder / "lateness", environment | callers)


def rows(database_url: str, statement: str) -> list[Any]:
    """Ask the database itself."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def analyze(database_url: str) -> None:
    """Let the database know what it holds, as autovacuum does in its own time."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _environment(database_url: str, folder: Path) -> dict[str, str]:
    # Alone, whatever project this is run from.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    return {
        **kept,
        # They run in a folder of their own.
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DULY_DATABASE_URL": database_url,
        "DULY_HANDLERS": "benchmarks.rest.fired",
        "REST_LATENESS": str(folder / "lateness"),
    }


def _duly(arguments: list[str], environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", "duly", *arguments]
    return subprocess.run(
        command, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@contextmanager
def _running(
    arguments: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "duly", *arguments],
            env=dict(environment),
            cwd=log.parent,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _await_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the service did not start: {log.read_text(errors='replace')[-2000:]}")
