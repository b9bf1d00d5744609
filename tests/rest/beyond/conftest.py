"""Callers of the API: each with a key of its own, and a client that speaks JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from duly import clock
from duly.access import keys, quotas
from duly.access.throttle import throttle
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW
from tests.rest.description import check

ALL = ("read", "schedule", "cancel", "replay")


class Asker:
    """Asks the API with one key."""

    def __init__(self, service: str, secret: str) -> None:
        self.headers = {"X-Service-Name": service, "X-API-Key": secret}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else json.dumps(body).encode()
        answer = Client().generic(
            method, f"/api/{path}", data, content_type="application/json", headers=given
        )
        check(method, path, answer)
        return answer

    def get(self, path: str, status: int = 200) -> Any:
        """Give the body of an answer."""
        response = self("GET", path)
        assert response.status_code == status, response.content
        return response.json()

    def post(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        response = self("POST", path, body, **headers)
        assert response.status_code == status, response.content
        return response.json()


Become = Callable[..., Asker]
# Asked now and then, by the time that has passed.
_OF_EVERY_REQUEST = ("duly_apikey", "duly_service", "duly_quotause")


def questions(captured: CaptureQueriesContext) -> int:
    """Count what a view asked, and not what is asked of every request."""
    said = [query["sql"] for query in captured]
    return sum(not any(table in one for table in _OF_EVERY_REQUEST) for one in said)


@pytest.fixture
def manual() -> Iterator[ManualClock]:
    manual = ManualClock(NOW)
    before = clock.use(manual)
    yield manual
    clock.use(before)


@pytest.fixture
def using(database: str, settings: Any, manual: ManualClock) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "duly.rest.urls"
    settings.ALLOWED_HOSTS = ["testserver"]
    yield database
    throttle.forget()
    quotas._taker.forget()


@pytest.fixture
def become(using: str) -> Become:
    """Give who calls for a service, with these scopes."""

    def become(service: str = "default", *scopes: str) -> Asker:
        issued = keys.issue_key(service, "tests", scopes or ALL)
        return Asker(service, issued.secret)

    return become


@pytest.fixture
def ask(become: Become) -> Asker:
    """Whoever calls for the service "default"."""
    return become()


@pytest.fixture
def other(become: Become) -> Asker:
    """Whoever calls for another service."""
    return become("other")


@pytest.fixture
def admin(become: Become) -> Asker:
    return become("operations", "admin")
