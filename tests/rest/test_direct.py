"""The short way to the API: the same answers, without what only pages need."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from duly.rest.direct import DirectMiddleware
from tests.rest.conftest import Api

DIRECT = "duly.rest.direct.DirectMiddleware"
LATER = "tests.rest.test_direct.later"


def later(get_response: Any) -> Any:
    """Mark every answer that has come so far."""

    def marking(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        response.headers["X-Came-So-Far"] = "yes"
        return response

    return marking


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "events/schedule", 201),
        ("GET", "events/upcoming", 200),
        ("GET", "events/0192f0c1-7a10-7c3e-9d3e-3b6a4c1d2e3f", 404),
        ("PUT", "events/schedule", 405),
        ("GET", "nothing/here", 404),
    ],
)
def test_calls_are_answered_alike_and_before_what_stands_below(
    api: Api, settings: Any, reminder: dict[str, Any], method: str, path: str, status: int
) -> None:
    settings.MIDDLEWARE = [LATER]
    long = api(method, path, reminder)
    settings.MIDDLEWARE = [DIRECT, LATER]
    short = api(method, path, reminder | {"id": "another"})

    assert (long.status_code, short.status_code) == (status, status)
    assert "X-Came-So-Far" in long.headers
    assert "X-Came-So-Far" not in short.headers
    lost = set(long.headers) - set(short.headers)
    assert lost == {"X-Came-So-Far"}
    assert short.headers["Content-Length"] == str(len(short.content))


@pytest.mark.parametrize("path", ["docs", "openapi.json"])
def test_pages_go_the_long_way(api: Api, settings: Any, path: str) -> None:
    settings.MIDDLEWARE = [DIRECT, LATER]

    assert "X-Came-So-Far" in api("GET", path).headers


@pytest.mark.usefixtures("using")
def test_a_host_that_is_not_allowed_is_refused(settings: Any) -> None:
    settings.MIDDLEWARE = [DIRECT]
    settings.ALLOWED_HOSTS = ["elsewhere.example"]

    assert Client().get("/api/events/upcoming").status_code == 400


def test_it_is_not_used_where_requests_are_transactions(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings[using], "ATOMIC_REQUESTS", True)

    with pytest.raises(MiddlewareNotUsed, match="ATOMIC_REQUESTS"):
        DirectMiddleware(lambda request: HttpResponse())
