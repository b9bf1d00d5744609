"""A client of the API with a key of its own, and nothing left of the test before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from duly.access import quotas
from duly.access.calls import call_log
from duly.access.keys import issue_key
from duly.access.throttle import throttle
from duly.policy.scopes import Scope
from duly.services import registry
from tests.rest import description

ALL = (Scope.READ, Scope.SCHEDULE, Scope.CANCEL, Scope.REPLAY)
_ABSENT: Any = object()


@dataclass(frozen=True)
class Api:
    """Sends requests as the holder of one key."""

    service: str
    secret: str

    def __call__(self, method: str, path: str, body: Any = _ABSENT, /, **headers: str) -> Any:
        """Send a request, and give the response; a body that is no bytes is sent as JSON."""
        raw = b"" if body is _ABSENT else body
        if not isinstance(raw, bytes):
            raw = json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = names.pop("Content-Type", "application/json")
        known = {"X-Service-Name": self.service, "X-API-Key": self.secret}
        answer = Client(raise_request_exception=False).generic(
            method, f"/api/{path}", raw, content_type=content_type, headers=known | names
        )
        description.check(method, path, answer)
        return answer


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "duly.rest.urls"
    settings.ALLOWED_HOSTS = ["testserver"]
    registry.forget()
    yield database
    throttle.forget()
    call_log.forget()
    quotas._taker.forget()
    registry.forget()


@pytest.fixture
def caller(using: str) -> Callable[..., Api]:
    """Give a caller for a service, with scopes."""

    def caller(service: str = "clinic", *scopes: Scope) -> Api:
        return Api(service, issue_key(service, "test", scopes or ALL).secret)

    return caller


@pytest.fixture
def api(caller: Callable[..., Api]) -> Api:
    return caller()


@pytest.fixture
def reminder() -> dict[str, Any]:
    """A request as the contract has it."""
    return {
        "type": "APPOINTMENT_REMINDER",
        "service_id": "clinic",
        "entity_id": "42",
        "entity_type": "appointment",
        "scheduled_time": "2031-03-30T09:00:00",
        "timezone_context": {
            "resource_timezone": "Europe/Berlin",
            "user_timezone": "America/New_York",
            "execution_timezone": "Europe/Berlin",
        },
        "payload": {"channel": "sms"},
    }
