"""Servers to deliver to, and a resolver that answers as a test says."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from duly.engine.targets import http
from duly.policy.http_target import HttpTarget
from duly.webhooks import new_secret
from tests.targets.server import Script, ScriptedServer

SECRET = new_secret()
LOOPBACK = ("127.0.0.0/8",)

Serve = Callable[..., ScriptedServer]
Answers = Callable[..., list[str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers as a script says; it ends with the test."""
    servers: list[ScriptedServer] = []

    def start(script: Script, **options: Any) -> ScriptedServer:
        servers.append(ScriptedServer(script, **options))
        return servers[-1]

    yield start
    http._pool.close()
    for server in servers:
        server.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Give names addresses of the test's own; gives the list of what was looked up.

    A name with several answers, each a list, gives one after the other.
    """
    asked: list[str] = []
    known: dict[str, list[list[str]]] = {}
    system = socket.getaddrinfo

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host not in known:
            return system(host, port, **options)
        asked.append(host)
        answers = known[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for one in addresses for found in system(one, port, **options)]

    def register(name: str, *answers: list[str]) -> list[str]:
        known[name] = list(answers)
        return asked

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return register


def target_at(server: ScriptedServer, **fields: Any) -> HttpTarget:
    """Give a target that leads to a server of the test, over plain http."""
    fields.setdefault("url", f"http://127.0.0.1:{server.port}/hook")
    fields.setdefault("secret", SECRET)
    fields.setdefault("allow", LOOPBACK)
    fields.setdefault("timeout", 10)
    return HttpTarget.from_mapping(fields)
