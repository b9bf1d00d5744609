"""Completes the description of the API: the models read by hand, and the problems of each view."""

from __future__ import annotations

from typing import Any

from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from pydantic.json_schema import models_json_schema

from duly.rest.problems import CONTENT_TYPE
from duly.rest.schemas import base, bulk, changes, events

_BY_HAND = (
    events.NewEvent,
    changes.EventPatch,
    changes.Timing,
    changes.PlanRequest,
    changes.RuleRequest,
    changes.PreviewRequest,
)
_SHOWN = (base.Problem, bulk.ItemResult)
_ALWAYS = {
    400: "The request cannot be read.",
    401: "No key or token, or one that is not valid.",
    403: "The key or token lacks the scope, or the service is another's.",
    422: "A field or parameter breaks its rule.",
    429: "More than the service's quota; Retry-After says when to try again.",
    500: "The service cannot do it, as where it lacks the key of a payload; its log says why.",
    503: "The database cannot be reached; Retry-After says when to try again.",
}
_OF_A_BODY = {413: "The body is too large.", 415: "The body is compressed."}
_OF_A_PATH = {404: "It is not there, or another service's."}
_OF_A_CHANGE = {409: "It is not in a state that allows this, or the key was used otherwise."}
_OF_A_CONDITION = {412: "The event has changed since its ETag was read."}
_RETRIED = (429, 503)
_ONLY_READ = ("/convert", "/validate", "/preview", "/explain", "/plan")


def complete(description: OpenAPISchema) -> OpenAPISchema:
    """Add to a description what ninja does not find out by itself."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in _BY_HAND]
        + [(model, "serialization") for model in _SHOWN],
        ref_template=REF_TEMPLATE,
    )
    description["components"]["schemas"] |= definitions.get("$defs", {})
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for parameter in operation["parameters"]:
                _without_null(parameter)
            for status, said in _problems(path, method, operation).items():
                operation["responses"].setdefault(status, _response(status, said))
            for status, response in operation["responses"].items():
                # Named by a view for what it is; its body is a problem like any other.
                if int(status) >= 400 and "content" not in response:
                    response |= _response(int(status), response["description"])
    return description


def _without_null(parameter: dict[str, Any]) -> None:
    """Say that a parameter may be left out: "null" would be a text like any other."""
    schema = parameter["schema"]
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) == 1:
        parameter["schema"] = kinds[0]


def _problems(path: str, method: str, operation: dict[str, Any]) -> dict[int, str]:
    found = dict(_ALWAYS)
    if "requestBody" in operation:
        found |= _OF_A_BODY
    if "{" in path:
        found |= _OF_A_PATH
    if method in ("post", "patch", "put", "delete") and not path.endswith(_ONLY_READ):
        found |= _OF_A_CHANGE
    if any(one["name"] == "If-Match" for one in operation.get("parameters", ())):
        found |= _OF_A_CONDITION
    return found


def _response(status: int, said: str) -> dict[str, Any]:
    schema = {"$ref": REF_TEMPLATE.format(model="Problem")}
    response: dict[str, Any] = {"description": said, "content": {CONTENT_TYPE: {"schema": schema}}}
    if status in _RETRIED:
        response["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}
        }
    if status == 401:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response
