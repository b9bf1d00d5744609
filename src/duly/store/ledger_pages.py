"""The ledger of an event in pages, each found by where the one before ended."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from duly.models import LedgerEntry

Order = Literal["oldest", "newest"]


def page(
    using: str, event_id: UUID, *, order: Order, past: int | None, limit: int
) -> list[LedgerEntry]:
    """List facts about an event and its occurrences, oldest or newest first.

    past: an id of the ledger, beyond which it goes on in this order; None: from the first.

    By (event, id), which is indexed, so that a page costs what is on it. Facts whose
    transactions were open when their place was passed are not on later pages, oldest first.
    """
    rows = LedgerEntry.objects.using(using).filter(event_id=event_id)
    if past is not None:
        rows = rows.filter(id__gt=past) if order == "oldest" else rows.filter(id__lt=past)
    return list(rows.order_by("id" if order == "oldest" else "-id")[:limit])
