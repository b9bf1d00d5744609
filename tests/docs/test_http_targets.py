"""What the pages on HTTP targets show works."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from duly.engine.targets.http import deliver
from duly.engine.targets.http_request import HttpRequest, request_of
from duly.errors import RequestRefused
from duly.policy.http_target import KEYS, HttpTarget
from duly.testing.occurrences import occurrence
from duly.webhooks import new_secret
from tests.docs.test_docs import PYTHON, ROOT

PAGE = ROOT / "docs" / "how-to" / "http-targets.md"
SECRET = new_secret()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRM", "BILLING", "PARTNER"):
        monkeypatch.setenv(f"{name}_SECRET", SECRET)


def shown(page: Path, about: str) -> dict[str, Any]:
    """Run the block of a page that is about something, and give its names."""
    (block,) = [block for block in PYTHON.findall(page.read_text()) if about in block]
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block, str(page), "exec", dont_inherit=True), names)
    return names


def signed(secret: str = SECRET) -> HttpRequest:
    target = HttpTarget.from_mapping({"url": "https://crm.example/", "secret": secret})
    return request_of(target, occurrence("reminder", {"n": 1}), datetime.now(UTC), {})


def test_the_view_takes_what_is_signed_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hook = shown(PAGE, "csrf_exempt")["hook"]

    for request, status in ((signed(), 204), (signed(new_secret()), 401)):
        sent = RequestFactory().post(
            "/hooks/duly",
            request.body,
            content_type="application/json",
            headers=request.headers,
        )
        assert hook(sent).status_code == status

    assert "reminder {'n': 1}" in capsys.readouterr().out


@pytest.fixture
def plain_server() -> Iterator[HTTPServer]:
    handler: type[BaseHTTPRequestHandler] = shown(PAGE, "BaseHTTPRequestHandler")["Hook"]
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def test_the_plain_receiver_takes_what_duly_delivers(
    plain_server: HTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    def at(secret: str) -> HttpTarget:
        return HttpTarget.from_mapping(
            {
                "url": f"http://127.0.0.1:{plain_server.server_port}/",
                "secret": secret,
                "allow": "127.0.0.0/8",
            }
        )

    deliver(at(SECRET), occurrence("reminder", {"n": 1}))
    with pytest.raises(RequestRefused, match=r"answered 401.*no signature matches"):
        deliver(at(new_secret()), occurrence("reminder"))

    assert "reminder {'n': 1}" in capfd.readouterr().out


def test_the_targets_shown_are_targets() -> None:
    services = shown(PAGE, '"SERVICES"')["DULY"]["SERVICES"]
    internal = shown(PAGE, "billing.internal")["INTERNAL"]
    partner = shown(PAGE, "partner.example")["PARTNER"]

    hosts = [
        HttpTarget.from_mapping(data).endpoint.host for data in (services["crm"], internal, partner)
    ]
    assert hosts == ["crm.example", "billing.internal", "partner.example"]


def test_the_body_and_headers_shown_are_those_that_are_sent() -> None:
    (request,) = re.findall(r"^```http\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    head, _, body = request.partition("\n\n")
    sent = signed()

    named = {line.partition(":")[0] for line in head.splitlines()[1:]}
    assert named == set(sent.headers) - {"user-agent"}
    assert list(json.loads(body)) == list(json.loads(sent.body))


def test_the_reference_names_every_key_of_a_target() -> None:
    text = (ROOT / "docs/reference/api.md").read_text().partition("## HTTP targets")[2]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", text, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == KEYS
