"""What is wrong with a body is said in our words: field, value and rule, whoever reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.conftest import Api
from tests.rest.test_refusals import is_problem

ID = "0192f0c1-7a10-7c3e-9d3e-3b6a4c1d2e3f"
# Some are read by hand, and some by models.
WITH_BODIES = [
    ("POST", "events/schedule"),
    ("PATCH", f"events/{ID}"),
    ("POST", f"events/{ID}/reschedule"),
    ("POST", f"events/{ID}/move"),
    ("POST", f"events/{ID}/skip"),
    ("POST", f"events/{ID}/pause"),
    ("POST", f"events/{ID}/backfill"),
    ("POST", f"events/{ID}/plan"),
    ("POST", "rules/preview"),
    ("POST", "rules/explain"),
    ("POST", "events/timezone/convert"),
    ("POST", "events/timezone/validate"),
    ("POST", "dead-letters/replay"),
    ("POST", "sagas"),
    ("POST", "templates"),
]


@pytest.mark.parametrize(("method", "path"), WITH_BODIES)
def test_a_body_that_is_no_json_is_named_with_its_text_and_the_rule(
    api: Api, method: str, path: str
) -> None:
    members = is_problem(api(method, path, b'{"a": nothing}'), 400)

    assert members["detail"].startswith("the body is not JSON: ")
    assert (members["field"], members["value"]) == ("body", '{"a": nothing}')
    assert members["rule"] == "the body is one JSON value in UTF-8"


@pytest.mark.parametrize(
    ("path", "body", "field", "value"),
    [
        (f"events/{ID}/move", {"to": 7}, "to", 7),
        (f"events/{ID}/move", {"to": "2031-01-01T00:00Z", "why": "x"}, "why", "x"),
        (f"events/{ID}/backfill", {"start": "2031-01-01T00:00Z", "end": []}, "end", []),
        (f"events/{ID}/pause", {"note": ["a"]}, "note", ["a"]),
        ("dead-letters/replay", {"limit": "many"}, "limit", "many"),
        ("events/timezone/validate", {"user_timezone": "UTC"}, "resource_timezone", None),
    ],
)
def test_a_field_that_breaks_a_rule_of_a_model_is_named_with_its_value(
    api: Api, path: str, body: Any, field: str, value: Any
) -> None:
    members = is_problem(api("POST", path, body), 422)

    assert (members["field"], members["value"]) == (field, value)
    assert members["rule"]


def test_a_query_that_breaks_a_rule_is_named_with_its_value(api: Api) -> None:
    members = is_problem(api("GET", "events?limit=many"), 422)

    assert (members["field"], members["value"]) == ("limit", "many")
    assert members["rule"]
