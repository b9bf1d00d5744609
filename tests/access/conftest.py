"""A clock set by hand, a client of a small REST interface, and nothing left of the test before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from duly import clock
from duly.access import quotas
from duly.access.calls import call_log
from duly.access.throttle import throttle
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW

Get = Callable[..., Any]


@pytest.fixture
def manual() -> Iterator[ManualClock]:
    manual = ManualClock(NOW)
    before = clock.use(manual)
    yield manual
    clock.use(before)


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    yield
    call_log.forget()
    throttle.forget()
    quotas._taker.forget()


@pytest.fixture
def using(database: str, settings: Any, manual: ManualClock) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "tests.access.urls"
    settings.ALLOWED_HOSTS = ["testserver"]
    return database


@pytest.fixture
def get(using: str) -> Get:
    """Ask who calls; gives the response."""

    def get(*, path: str = "/api/who", method: str = "GET", **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        address = names.pop("address", "127.0.0.1")
        return Client().generic(method, path, headers=names, REMOTE_ADDR=address)

    return get
