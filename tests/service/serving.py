"""`duly serve` as a process of its own, and what a client of it needs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

WAIT_SECONDS = 40.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: HTTPResponse) -> Self:
        """Read all of a response."""
        headers = {name.lower(): value for name, value in response.getheaders()}
        return cls(response.status, headers, response.read())

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def environment_of(folder: Path, **variables: str) -> dict[str, str]:
    """Give an environment without anything of the tests', and with modules of `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("D")}
    found = [str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return kept | {"PYTHONPATH": os.pathsep.join(found)} | variables


def duly(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "duly", *arguments],
        cwd=folder,
        env=environment_of(folder, **variables),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


@dataclass
class Serving:
    """One process that serves, in a folder that has its database; ended with the block."""

    folder: Path
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "duly")
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The lines of JSON that it has printed, by their names."""

    def __enter__(self) -> Self:
        self.begin()
        self.await_started()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=WAIT_SECONDS)

    def begin(self) -> None:
        """Start it, and do not wait."""
        self.process = subprocess.Popen(
            [sys.executable, *self.program, "serve", "--port", "0", "--json", *self.arguments],
            cwd=self.folder,
            env=environment_of(self.folder, **self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def await_started(self) -> None:
        """Read what it says until it serves."""
        assert self.process.stdout
        last = "service.started" if "--no-engine" in self.arguments else "engine.started"
        while last not in self.said:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            told = json.loads(line)
            self.said[told["name"]] = told

    @property
    def url(self) -> str:
        """Where it serves."""
        return str(self.said["service.started"]["url"])

    def connect(self, seconds: float = WAIT_SECONDS) -> HTTPConnection:
        """Open a connection, which stays open from request to request."""
        parts = urlsplit(self.url)
        assert parts.hostname
        return HTTPConnection(parts.hostname, parts.port, timeout=seconds)

    def listens(self) -> bool:
        """Say whether it takes connections."""
        parts = urlsplit(self.url)
        try:
            with socket.create_connection((parts.hostname, parts.port or 0)):
                return True
        except ConnectionError:
            return False

    def get(self, path: str, **headers: str) -> Answer:
        """GET one path; names of headers have _ for -."""
        return self.ask("GET", path, headers={n.replace("_", "-"): v for n, v in headers.items()})

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Make one request on a connection of its own; a body that is not bytes is JSON."""
        connection = self.connect()
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json"} | sent
        try:
            connection.request(method, path, body, sent)
            return Answer.of(connection.getresponse())
        finally:
            connection.close()

    def log_in(self, user: str, password: str) -> bool:
        """Say whether the admin lets one in by its page."""
        page = self.get("/admin/login/")
        cookie = SimpleCookie(page.headers["set-cookie"])["csrftoken"].value
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        form = {"username": user, "password": password, "csrfmiddlewaretoken": token}
        answer = self.ask(
            "POST",
            "/admin/login/?next=/admin/",
            urlencode(form | {"next": "/admin/"}).encode(),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Cookie": f"csrftoken={cookie}",
                "Referer": f"{self.url}/admin/login/",
            },
        )
        return answer.status == 302

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait; gives the exit code and all that it said since it started."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode, out + errors


def await_condition(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
