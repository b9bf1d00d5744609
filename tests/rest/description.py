"""Holds every answer of the tests against the API's description."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from duly.rest.api import api

EMPTY = ("204", "304")
"""What has no body."""


@cache
def description() -> Any:
    """Give the description as its readers get it."""
    return json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/")))


def check(method: str, path: str, answer: Any) -> None:
    """Fail where an answer is not one that the description names."""
    operation = _operation(method.lower(), path.partition("?")[0])
    if operation is None or answer.streaming:
        return
    responses = operation["responses"]
    status = str(answer.status_code)
    if status in ("405", "500"):
        return
    assert status in responses, f"{method} {path}: {status} is not described"
    content = responses[status].get("content")
    if content is None:
        assert status in EMPTY, f"{method} {path}: the body of {status} is not described"
        assert not answer.content, f"{method} {path}: {status} has a body"
        return
    media = answer["Content-Type"].partition(";")[0]
    assert media in content, f"{method} {path}: {status} is {media}, described is {set(content)}"
    found = list(_validator(json.dumps(content[media]["schema"])).iter_errors(answer.json()))
    assert not found, f"{method} {path}: {found[0].message} at {found[0].json_path}"


def _operation(method: str, path: str) -> Any:
    for template, methods in description()["paths"].items():
        names = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
        if re.fullmatch(names, f"/api/{path}") and method in methods:
            return methods[method]
    return None


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole = json.loads(schema) | {"components": description()["components"]}
    return Draft202012Validator(whole)
