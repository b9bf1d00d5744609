"""Pages of a list: each names the place where the next one begins.

A cursor holds the place of the last row that was given, so that a page costs the same
wherever it lies, and neither skips nor repeats what stays where it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.utils.encoding import escape_uri_path
from pydantic import Field

from duly.civil.instants import Instant, as_instant
from duly.errors import InvalidTime
from duly.rest.problems import invalid

DEFAULT_LIMIT = 100
MOST = 1000
# Two names of services in a script of which JSON escapes every character.
LONGEST_CURSOR = 2000
Cursor = Annotated[str, Field(min_length=1, max_length=LONGEST_CURSOR)]
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Some rows, and the cursor of those that follow; None: there are none."""

    rows: list[_Row]
    next_cursor: str | None


def page_of(
    rows: Sequence[_Row], limit: int, place: Callable[[_Row], Sequence[object]]
) -> Page[_Row]:
    """Make a page of up to `limit` rows.

    rows: up to `limit` + 1 of them, asked for so that it is known whether more follow.
    place: what tells where a row stands, as texts, numbers, instants and ids.
    """
    kept = list(rows[:limit])
    return Page(kept, cursor_of(*place(kept[-1])) if len(rows) > limit else None)


def cursor_of(*place: object) -> str:
    """Write a cursor."""
    text = json.dumps([_plain(part) for part in place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *kinds: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """Read a cursor; None where none is given.

    kinds: for each of its parts, what makes it of a text or a number, such as `UUID`, `int` and
        `instant`.

    Raises Problem for one that `cursor_of` never wrote.
    """
    if cursor is None:
        return None
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
        if not isinstance(parts, list) or len(parts) != len(kinds):
            raise ValueError
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise invalid("cursor", cursor, "must be one that an answer gave") from None


def instant(text: Any) -> Instant:
    """Read an instant of a cursor. Raises ValueError."""
    try:
        return as_instant(datetime.fromisoformat(text))
    except InvalidTime as error:
        raise ValueError(str(error)) from None


def link_to_next(request: HttpRequest, page: Page[Any]) -> dict[str, str]:
    """Give the headers that lead to the next page. Source: RFC 8288."""
    if page.next_cursor is None:
        return {}
    query = request.GET.copy()
    query["cursor"] = page.next_cursor
    address = f"{escape_uri_path(request.path)}?{query.urlencode()}"
    return {"Link": f'<{address}>; rel="next"', "X-Next-Cursor": page.next_cursor}


def _plain(part: object) -> object:
    if isinstance(part, datetime):
        return part.isoformat()
    return str(part) if isinstance(part, UUID) else part
