"""Teaches schemathesis to send and to read one JSON value on a line."""

from __future__ import annotations

import json
from typing import Any

import schemathesis

NDJSON = "application/x-ndjson"


@schemathesis.serializer(NDJSON)
def write(context: schemathesis.SerializationContext, value: Any) -> Any:
    """Give the body of a request."""
    return {"data": value if isinstance(value, bytes) else json.dumps(value).encode()}


@schemathesis.deserializer(NDJSON)
def read(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """Give what is on the first line of an answer."""
    return json.loads(response.content.partition(b"\n")[0])
