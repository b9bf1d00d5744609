"""The description of the API is whole, and its docs page asks nobody outside."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from duly.access.caller import Caller
from duly.rest import new_events
from duly.rest.schemas.events import NewEvent
from tests.rest.description import EMPTY, description

OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, methods in description()["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_says_what_it_does_and_how_it_refuses(operation: Any) -> None:
    assert operation["summary"]
    assert operation["description"]
    # A calendar's link is its own key.
    assert operation.get("security") or operation["tags"] == ["calendars"]
    for status, response in operation["responses"].items():
        assert status in EMPTY or response["content"], status
        if int(status) >= 400:
            schema = response["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert {"400", "401", "403", "422", "429", "503"} <= operation["responses"].keys()


def test_every_reference_leads_to_a_schema() -> None:
    found = set(re.findall(r"#/components/schemas/(\w+)", str(description())))

    assert found == set(description()["components"]["schemas"])
    for schema in description()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert description()["openapi"].startswith("3.1")


def test_the_model_of_an_event_names_what_its_reader_reads() -> None:
    assert set(NewEvent.model_fields) == new_events.FIELDS


def test_every_field_that_is_described_may_be_null_or_left_out() -> None:
    caller = Caller(actor="key:a/b", service="a", scopes=frozenset())
    data = dict.fromkeys(NewEvent.model_fields) | {
        "type": "remind",
        "scheduled_time": "2031-01-01T00:00Z",
    }
    del data["schedule"]

    new, on_conflict = new_events.Reader(caller).read(data)

    assert (new.service, new.key, on_conflict) == ("a", None, "match")


def test_the_docs_page_works_without_a_network(settings: Any) -> None:
    settings.ROOT_URLCONF = "duly.rest.urls"
    settings.ALLOWED_HOSTS = ["testserver"]

    page = Client().get("/api/docs").content.decode()
    described = Client().get("/api/openapi.json")

    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "ninja/swagger-ui-bundle.js" in page
    assert described.json()["paths"].keys() == description()["paths"].keys()
