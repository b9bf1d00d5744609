"""The page on REST is true: its table is whole, and its examples are answered as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duly.access import quotas
from duly.access.calls import call_log
from duly.access.keys import issue_key
from duly.access.throttle import throttle
from duly.policy.scopes import Scope
from duly.rest import (
    breakers,
    bulk,
    calendars,
    changes,
    dead_letters,
    events,
    firings,
    occurrences,
    rules,
    sagas,
    stream,
    templates,
    time_zones,
)
from tests.rest.conftest import ALL, Api

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "rest.md").read_text()
ROW = re.compile(r"^\| `([A-Z]+) (/api/\S+)` \| `(\w+)` \|", re.MULTILINE)
BLOCK = re.compile(r"^```http\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONTRACT = (bulk, changes, events, firings, rules, time_zones)
BEYOND = (breakers, calendars, dead_letters, occurrences, sagas, stream, templates)
ROUTERS = [one.router for one in (*CONTRACT, *BEYOND)]
NO_KEY = "link"
"""In place of a scope: the address itself is what allows it."""
TEMPLATE: dict[str, Any] = {"type": "remind", "schedule": {"at": "$time"}}
BODIES: dict[str, Any] = {
    "move": {"to": "2031-01-01T00:00Z"},
    "backfill": {"start": "2031-01-01T00:00Z", "end": "2031-01-01T00:00Z"},
    "convert": {"time": "2031-01-01T00:00Z", "to_timezones": []},
    "validate": {"resource_timezone": "UTC", "user_timezone": "UTC"},
    "sagas": {"name": "trip"},
    "signals": {"signal": "approved"},
    "calendars": {"entity_id": "42"},
    "templates": TEMPLATE | {"name": "x"},
    "{name}": TEMPLATE,
}


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    settings.ROOT_URLCONF = "duly.rest.urls"
    settings.ALLOWED_HOSTS = ["testserver"]
    yield database
    throttle.forget()
    call_log.forget()
    quotas._taker.forget()


def test_the_table_names_every_address() -> None:
    there = {
        (method, "/api/" + re.sub(r"{\w+:", "{", path))
        for router in ROUTERS
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    }

    assert {(method, path) for method, path, _ in ROW.findall(PAGE)} == there


def test_every_address_asks_for_the_scope_that_the_table_says(using: str) -> None:
    for method, path, scope in ROW.findall(PAGE):
        if scope == NO_KEY:
            continue
        others = [one for one in Scope if one not in (scope, Scope.ADMIN)]
        api = Api("clinic", issue_key("clinic", path[-50:], others).secret)
        body = BODIES.get(path.rpartition("/")[2], {})

        answer = api(method, re.sub(r"{\w+}", "x", path.removeprefix("/api/")), body)

        assert answer.status_code == 403, (method, path, answer.status_code)
        assert answer.json()["value"] == scope


def test_the_examples_are_answered_as_the_page_says(using: str) -> None:
    api = Api("clinic", issue_key("clinic", "examples", ALL).secret)
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) >= 20

    for request, expected in zip(blocks[::2], blocks[1::2], strict=True):
        line, _, body = request.partition("\n")
        method, path = line.split()
        given = (json.loads(body),) if body.strip() else ()
        answer = api(method, path.removeprefix("/api/"), *given)

        status, _, shown = expected.partition("\n")
        content = b"".join(answer) if answer.streaming else answer.content
        assert (line, answer.status_code) == (line, int(status)), content
        _check(json.loads(content), json.loads(shown), line)


def _check(found: Any, said: Any, where: str) -> None:
    """Check that what the page shows is there; "…" stands for anything, and more may be there."""
    if isinstance(said, dict):
        for name, value in said.items():
            _check(found[name], value, f"{where} {name}")
    elif isinstance(said, list):
        assert len(found) >= len(said), where
        for one, other in zip(found, said, strict=False):
            _check(one, other, where)
    elif said != "…":
        assert found == said, where
