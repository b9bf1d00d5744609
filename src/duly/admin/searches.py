"""Pages of rows from tables of any size: each costs what is on it, or a bounded look.

What an index finds in the order of the page is asked of the database as it is. Any other
condition is looked at row by row, among so many rows at once; then the page says how far it
has looked, and its reader may look further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from duly.errors import InvalidEvent

PAGE = 50
# Rows that were made one after the other lie side by side; in any other order each is on a page
# of its own. Either look takes some 30 ms.
LOOKED_AT = 20_000
SCATTERED = 5_000
# Before and after all that are equal in another column.
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Order:
    """What a table is read by; the primary key tells apart what is equal."""

    field: str = "id"
    is_ascending: bool = False

    @property
    def looked_at(self) -> int:
        """Say how many rows are looked at for one page."""
        return LOOKED_AT if self.field in ("id", "pk") else SCATTERED

    @property
    def columns(self) -> tuple[str, ...]:
        """Give it as `order_by` takes it."""
        sign = "" if self.is_ascending else "-"
        return (
            (f"{sign}pk",) if self.field in ("id", "pk") else (f"{sign}{self.field}", f"{sign}pk")
        )

    def beyond(self, place: Sequence[Any], *, inclusive: bool = False) -> Q:
        """Give the condition of what comes after a place."""
        *values, pk = place
        way = "gt" if self.is_ascending else "lt"
        of_pk = Q(**{f"pk__{way}{'e' if inclusive else ''}": pk})
        if not values:
            return of_pk
        # Both, since a range of the first is what an index can begin at.
        ties = Q(**{self.field: values[0]}) & ~of_pk
        return Q(**{f"{self.field}__{way}e": values[0]}) & ~ties

    def up_to(self, place: Sequence[Any]) -> Q:
        """Give the condition of what comes before a place, and of what is there."""
        return Order(self.field, not self.is_ascending).beyond(place, inclusive=True)

    def place_of(self, row: Any) -> tuple[Any, ...]:
        """Say where a row is."""
        if self.field in ("id", "pk"):
            return (row.pk,)
        return (getattr(row, self.field), row.pk)


NEWEST_FIRST = Order()
EVERY_ROW = Q()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which rows are wanted."""

    base: QuerySet[Any, Any]
    """What an index finds, in this order."""
    order: Order = NEWEST_FIRST
    extra: Q = EVERY_ROW
    """What is looked at row by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows, and where it goes on."""

    rows: list[Any]
    next_place: tuple[Any, ...] | None = None
    """None: there is nothing beyond."""
    is_cut: bool = False
    """Whether it ends where the look ended, and not because it is full."""


def page_of(search: Search, place: Sequence[Any] | None = None, size: int = PAGE) -> Page:
    """Read the page beyond a place; None: the first. In at most two queries."""
    order, rows = search.order, search.base
    if place is not None:
        rows = rows.filter(order.beyond(place))
    edge = _edge(rows, order) if search.extra else None
    if edge is not None:
        rows = rows.filter(order.up_to(edge))
    found = list(rows.filter(search.extra).order_by(*order.columns)[: size + 1])
    if len(found) > size:
        return Page(rows=found[:size], next_place=order.place_of(found[size - 1]))
    return Page(rows=found, next_place=edge, is_cut=edge is not None)


def _edge(rows: QuerySet[Any, Any], order: Order) -> tuple[Any, ...] | None:
    """Give the place of the last row that is looked at; None: all are."""
    column = order.columns[0]
    values = rows.order_by(column).values_list(column.removeprefix("-"), flat=True)
    # The column alone, which its index holds; with it go all that are equal to it.
    last = values[order.looked_at - 1 : order.looked_at].first()
    if last is None or order.field in ("id", "pk"):
        return None if last is None else (last,)
    return (last, _LAST if order.is_ascending else _FIRST)


def place_text(place: Sequence[Any]) -> str:
    """Write a place for a URL."""
    return "~".join(one.isoformat() if isinstance(one, datetime) else str(one) for one in place)


def read_place(text: str, order: Order, key: type[UUID] | type[int] | type[str]) -> Any:
    """Read a place from a URL. Raises InvalidEvent for what is none."""
    if not text:
        return None
    *values, pk = text.split("~", 1) if order.field not in ("id", "pk") else (text,)
    try:
        moments = [datetime.fromisoformat(value) for value in values]
        if any(moment.tzinfo is None for moment in moments):
            raise ValueError
        return (*moments, key(pk))
    except ValueError:
        raise InvalidEvent(
            f"{text!r:.80} is no place in this list; begin with the first page"
        ) from None
