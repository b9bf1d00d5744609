"""The API's own description: every operation there is, and a request that is like it.

A request for the tests of who may do what need not be right: who may not ask is told so before
anything is read. One for the tests of what is learnt takes ids of the tests' own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
UNKNOWN_ID = "01980000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    spec: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        return [one for one in self.spec.get("parameters", []) if one["in"] == "path"]

    @property
    def is_open(self) -> bool:
        """Whether it asks for no key, and says so."""
        return not self.spec.get("security")

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def url(self, ids: Mapping[str, str]) -> str:
        """Give its path with these for its parameters; any other is an id that nobody has."""

        def of(match: re.Match[str]) -> str:
            return ids.get(match[1], UNKNOWN_ID)

        return re.sub(r"\{(?:\w+:)?(\w+)\}", of, self.path)

    def body(self, description: Mapping[str, Any]) -> tuple[str, bytes] | None:
        """Give a content type and a body that it takes, if it takes one."""
        content = self.spec.get("requestBody", {}).get("content", {})
        for kind, one in content.items():
            example = example_of(one.get("schema", {}), description)
            return kind, json.dumps(example).encode()
        return None


def operations(description: Mapping[str, Any]) -> Iterator[Operation]:
    """Give every operation that a description has."""
    for path, item in description["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(method.upper(), path, item[method])


def example_of(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Any:
    """Give a small value that fits a schema, mostly."""
    schema = _resolved(schema, description)
    for name in ("example", "default", "const"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return _instant(schema[name][0])
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example_of(schema[name][0], description)
    build = _BUILDERS.get(str(schema.get("type"))) or _BUILDERS["object"]
    return build(schema, description)


def _instant(example: Any) -> Any:
    """Make an instant of a civil time: that is taken wherever a time is."""
    is_civil = isinstance(example, str) and re.fullmatch(r"[\d-]{10}T[\d:]+", example)
    return f"{example}Z" if is_civil else example


def _object_of(schema: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    needed = schema.get("required", [])
    return {name: example_of(properties.get(name, {}), description) for name in needed}


def _array_of(schema: Mapping[str, Any], description: Mapping[str, Any]) -> list[Any]:
    return [example_of(schema.get("items", {}), description)] * schema.get("minItems", 1)


def _text_of(schema: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "2099-03-30T09:00:00+00:00"
    if schema.get("format") == "uuid":
        return UNKNOWN_ID
    return "x" * int(schema.get("minLength", 1))


def _resolved(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = description
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "object": _object_of,
    "array": _array_of,
    "string": _text_of,
    "boolean": lambda schema, description: True,
    "integer": lambda schema, description: schema.get("minimum", 1),
    "number": lambda schema, description: schema.get("minimum", 1),
}
