"""Parts of the API's description that its views do not say by themselves."""

from __future__ import annotations

from typing import Any

from ninja.openapi.schema import REF_TEMPLATE

IDEMPOTENCY_KEY: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "As `id` in the body: the same key and content give the same event.",
        }
    ]
}
IF_MATCH: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "If-Match",
            "required": False,
            "schema": {"type": "string"},
            "description": "The ETag of the state that the change is meant for; else 412.",
        }
    ]
}
REPEATED: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": "For 24 hours the same call under the same key is answered as before, "
            "and not done again.",
        }
    ]
}
CHANGE: dict[str, Any] = {"parameters": IF_MATCH["parameters"] + REPEATED["parameters"]}
ETAG: dict[str, Any] = {
    "headers": {
        "ETag": {
            "description": "The state of the event that this shows, for If-Match.",
            "schema": {"type": "string"},
        }
    }
}
NEXT_PAGE: dict[str, Any] = {
    "headers": {
        "Link": {
            "description": 'The next page, as `<…>; rel="next"`; not on the last.',
            "schema": {"type": "string"},
        },
        "X-Next-Cursor": {
            "description": "Its cursor.",
            "schema": {"type": "string"},
        },
    }
}


def answering(said: dict[str, Any], *statuses: int) -> dict[str, Any]:
    """Say what the answers of these statuses have beside their bodies."""
    return {"responses": dict.fromkeys(statuses, said)}


def body_as(model: str, content_type: str = "application/json") -> dict[str, Any]:
    """Say that a view that reads its body itself takes this model."""
    schema = {"$ref": REF_TEMPLATE.format(model=model)}
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema}}}}


def _both(model: str) -> dict[str, Any]:
    one = {"$ref": REF_TEMPLATE.format(model=model)}
    return {
        "application/x-ndjson": {"schema": one},
        "application/json": {"schema": {"type": "array", "items": one}},
    }


BULK: dict[str, Any] = {
    "requestBody": {"required": True, "content": _both("NewEvent")},
    "responses": {200: {"content": _both("ItemResult")}},
}
