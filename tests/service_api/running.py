"""`duly serve` as a process of its own, with keys of every kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from duly.client import AsyncClient, Client
from duly.testing.processes import free_port, stop

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0
JWT_SECRET = "a secret of the tests that is long enough"
JWT = {"algorithms": ["HS256"], "issuer": "tests", "audience": "duly", "secret": JWT_SECRET}


@dataclass(frozen=True)
class Key:
    """An API key, and whose it is."""

    service: str
    secret: str

    def headers(self) -> dict[str, str]:
        return {"X-Service-Name": self.service, "X-API-Key": self.secret}


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    url: str
    keys: Mapping[str, Key]
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, key: str = "mine", **options: Any) -> Client:
        owner = self.keys[key]
        return Client(self.url, service=owner.service, api_key=owner.secret, **options)

    def async_client(self, key: str = "mine", **options: Any) -> AsyncClient:
        owner = self.keys[key]
        return AsyncClient(self.url, service=owner.service, api_key=owner.secret, **options)

    def resident_bytes(self) -> int:
        """Say how much memory the process has."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def token(secret: str = JWT_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Make a bearer token of "mine" with every scope but admin."""
    now = datetime.now(UTC)
    every = {
        "iss": "tests",
        "aud": "duly",
        "sub": "alice",
        "service": "mine",
        "scope": "read schedule cancel replay",
        "iat": now,
        "exp": now + timedelta(minutes=10),
    }
    # Without a key only "none" is signed.
    return jwt.encode(every | claims, secret or "", algorithm=algorithm)


@contextmanager
def running(database_url: str, folder: Path, **settings: str) -> Iterator[Running]:
    """Run the service for a block.

    settings: variables of the environment, on top of those that tests need.
    """
    environment = _environment(database_url) | settings
    made = subprocess.run(
        [sys.executable, "-m", "tests.service_api.make_keys"],
        env=environment | {"DJANGO_SETTINGS_MODULE": "duly.service.settings"},
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    keys = {name: Key(*pair) for name, pair in json.loads(made.stdout).items()}
    port = free_port()
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "duly", "serve", "--port", str(port)],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process, log)
        yield Running(url, keys, process, log)
    finally:
        stop(process, signal.SIGTERM, STOP_SECONDS)


def _environment(database_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("D")}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "DULY_DATABASE_URL": database_url,
        "DULY_JWT": json.dumps(JWT),
        "DULY_HANDLERS": "tests.service_api.handlers",
        # Who tries hundreds of bad keys would be told to wait; the throttle has tests of its own.
        "DULY_BAD_KEYS": "",
    }


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"duly serve did not start: {log.read_text(errors='replace')[-3000:]}")
