"""What each method asks for, and how its answer is read: for both clients, and without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

from duly.client.reading import result, results
from duly.client.transport import JSON, Answer, Request

_Gives = TypeVar("_Gives")
EVENTS = "/api/events"
NEXT_CURSOR = "X-Next-Cursor"
MOST_IN_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[_Gives]):
    """A part of a list, and where the next part begins; None: there is none."""

    rows: tuple[_Gives, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[_Gives]):
    """One thing to ask for."""

    method: str
    path: str
    read: Callable[[Answer], _Gives]
    """From the answer to what was asked for. Raises UnexpectedAnswer."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = True
    """Whether to do it twice is to do it once."""

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
            is_repeatable=self.is_repeatable,
        )


@dataclass(frozen=True, slots=True)
class Listing(Generic[_Gives]):
    """A list to ask for, page by page."""

    first: Call[Page[_Gives]]
    limit: int | None = None
    """At most so many rows in all; None: all there are."""


def encoded(data: Any) -> bytes:
    """Give JSON text. Raises ValueError for what is no JSON."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"this cannot be sent as JSON: {error}") from None
    return text.encode("utf-8")


def new_key() -> str:
    """Make an idempotency key."""
    return uuid4().hex


def repeatable() -> dict[str, str]:
    """Give the header by which a call that is made again is not done again."""
    return {"Idempotency-Key": new_key()}


def given(**values: Any) -> dict[str, Any]:
    """Leave out what was not given."""
    return {name: value for name, value in values.items() if value is not None}


def path(*parts: object) -> str:
    """Give a path of quoted parts."""
    return "/".join(quote(str(part), safe="") for part in parts)


def one_of(kind: type[_Gives]) -> Callable[[Answer], _Gives]:
    """Read one result."""
    return lambda answer: result(kind, answer.json())


def nothing(answer: Answer) -> None:
    """Read an answer that says no more than that it is done."""


def matching(etag: str | None) -> dict[str, str]:
    """Give the header by which only what has this tag is changed."""
    return {} if etag is None else {"If-Match": etag}


def with_etag(kind: type[_Gives]) -> Callable[[Answer], _Gives]:
    """Read one result that has an `etag`."""

    def read(answer: Answer) -> _Gives:
        found: Any = result(kind, answer.json())
        return cast("_Gives", replace(found, etag=answer.headers.get("ETag", "")))

    return read


def page_of(kind: type[_Gives]) -> Callable[[Answer], Page[_Gives]]:
    """Read a page of results: a list, or an object that has one."""

    def read(answer: Answer) -> Page[_Gives]:
        data = answer.json()
        if isinstance(data, dict):
            return Page(results(kind, data.get("items")), data.get("next_cursor"))
        return Page(results(kind, data), answer.headers.get(NEXT_CURSOR))

    return read


class Pages(Generic[_Gives]):
    """The pages of a list, one after the other, up to so many rows in all."""

    def __init__(self, listing: Listing[_Gives]) -> None:
        self.call: Call[Page[_Gives]] | None = listing.first
        """What is to be asked for next; None: nothing."""
        self._left = listing.limit

    def take(self, page: Page[_Gives]) -> tuple[_Gives, ...]:
        """Give the rows of a page that are wanted, and see what is next."""
        rows = page.rows if self._left is None else page.rows[: self._left]
        if self._left is not None:
            self._left -= len(rows)
        is_over = page.next_cursor is None or self._left == 0
        if is_over or self.call is None:
            self.call = None
        else:
            query = {**self.call.query, "cursor": str(page.next_cursor)}
            self.call = replace(self.call, query=query)
        return rows


def batches(items: Iterable[_Gives], size: int) -> Iterator[list[_Gives]]:
    """Part what there is into lists of so many. Raises ValueError below 1."""
    if size < 1:
        raise ValueError(f"batch must be 1 or more, got {size}")
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk


def in_a_page(limit: int | None) -> str | None:
    """Say how many are asked for at once, of so many in all. Raises ValueError below 1."""
    if limit is None:
        return None
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, got {limit}")
    return str(min(limit, MOST_IN_A_PAGE))
