"""What each method asks for, and how its answer is read: for both clients, and without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from duly.client.reading import result, results
from duly.client.transport import JSON, Answer, Request

_Gives = TypeVar("_Gives")
EVENTS = "/api/events"
IDEMPOTENCY_KEY = "Idempotency-Key"
NEXT_CURSOR = "X-Next-Cursor"
MOST_IN_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[_Gives]):
    """A part of a list, and where the next part begins; None: there is none."""

    rows: tuple[_Gives, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[_Gives]):
    """One thing to ask for.

    A change has an idempotency key, made with it: sent twice, it is done once.
    """

    method: str
    path: str
    read: Callable[[Answer], _Gives]
    """From the answer to what was asked for. Raises UnexpectedAnswer."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self) -> Request:
        """Give it as it is sent."""
        body = None if self.body is None else encoded(self.body)
        kind = {} if body is None else {"Content-Type": JSON}
        return Request(
            method=self.method,
            path=self.path,
            query=self.query,
            body=body,
            headers=kind | dict(self.headers),
        )


def encoded(data: Any) -> bytes:
    """Give JSON text. Raises ValueError for what is no JSON."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be sent as JSON: {error}") from None
    return text.encode("utf-8")


def once(key: str | None = None) -> dict[str, str]:
    """Give the header that lets a change be done once; without a key, a new one."""
    return {IDEMPOTENCY_KEY: key or uuid4().hex}


def given(**values: Any) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in values.items() if value is not None}


def path(*parts: object) -> str:
    """Give a path of quoted parts."""
    return "/".join(quote(str(part), safe="") for part in parts)


def one_of(kind: type[_Gives]) -> Callable[[Answer], _Gives]:
    """Read one result."""
    return lambda answer: result(kind, answer.json())


def many_of(kind: type[_Gives]) -> Callable[[Answer], tuple[_Gives, ...]]:
    """Read a list of results."""
    return lambda answer: results(kind, answer.json())


def page_of(kind: type[_Gives]) -> Callable[[Answer], Page[_Gives]]:
    """Read a page of results: a list, or an object that has one."""

    def read(answer: Answer) -> Page[_Gives]:
        data, cursor = answer.json(), answer.headers.get(NEXT_CURSOR)
        if isinstance(data, dict):
            data, cursor = data.get("items"), data.get("next_cursor")
        return Page(results(kind, data), cursor)

    return read


def following(call: Call[Page[_Gives]], page: Page[_Gives]) -> Call[Page[_Gives]] | None:
    """Ask for the page after this one; None: there is none."""
    if page.next_cursor is None:
        return None
    return replace(call, query={**call.query, "cursor": page.next_cursor})
