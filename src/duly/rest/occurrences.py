"""Occurrences of an event with their attempts, and its ledger."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import scheduling
from duly.access.caller import Caller
from duly.conf import config
from duly.policy.scopes import Scope
from duly.rest import pages, shown, told
from duly.rest.auth import identified
from duly.rest.events import Limit, owner_of
from duly.rest.guard import needs
from duly.rest.problems import invalid
from duly.rest.schemas.occurrences import (
    LedgerPage,
    Occurrence,
    OccurrencePage,
    OccurrenceStatus,
)
from duly.store import ledger_pages, lookup
from duly.store import occurrences as stored

router = Router(tags=["occurrences"])


@router.get(
    "events/{event_id}/occurrences",
    response=OccurrencePage,
    summary="List the occurrences of an event",
)
@needs(Scope.READ)
def list_occurrences(
    request: HttpRequest,
    event_id: str,
    status: OccurrenceStatus | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor | None = None,
) -> HttpResponse:
    """List what has come due of an event, the latest first, each with its attempts."""
    caller = identified(request)
    using = config().database
    event = lookup.find_owned(using, event_id, owner_of(caller))
    place = pages.read_cursor(cursor, pages.instant)
    before = place[0] if place else None
    found = stored.of_event(using, event.id, before, status or "", limit + 1)
    page = pages.page_of(found, limit, lambda one: (one.due_at,))
    attempts = stored.attempts_of(using, page.rows)
    items = [told.with_attempts(one, attempts[one.id]) for one in page.rows]
    listed = {"items": items, "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.get("occurrences/{occurrence_id}", response=Occurrence, summary="Look at an occurrence")
@needs(Scope.READ)
def get_occurrence(request: HttpRequest, occurrence_id: str) -> HttpResponse:
    """Give one occurrence, with its payload, its error as a whole, and its attempts."""
    caller = identified(request)
    one = scheduling.find_occurrence(occurrence_id, service=service_of(caller))
    attempts = stored.attempts_of(config().database, [one])
    return shown.answer(told.whole(one, attempts[one.id]))


@router.get("events/{event_id}/ledger", response=LedgerPage, summary="Read the ledger of an event")
@needs(Scope.READ)
def list_ledger(
    request: HttpRequest,
    event_id: str,
    order: Literal["oldest", "newest"] = "oldest",
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor | None = None,
) -> HttpResponse:
    """Read what has happened to an event and its occurrences, the oldest or the newest first.

    A cursor goes on in the order that it was given in.
    """
    caller = identified(request)
    using = config().database
    event = lookup.find_owned(using, event_id, owner_of(caller))
    place = pages.read_cursor(cursor, str, ledger_id)
    if place is not None and place[0] != order:
        raise invalid("cursor", cursor, f"goes on with the {place[0]!r:.20} first; so does order")
    past = place[1] if place else None
    found = ledger_pages.page(using, event.id, order=order, past=past, limit=limit + 1)
    page = pages.page_of(found, limit, lambda one: (order, one.id))
    listed = {"items": [told.entry(one) for one in page.rows], "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


def service_of(caller: Caller) -> str | None:
    """Give whose occurrences and sagas a caller finds; None: everybody's."""
    return None if caller.sees_all else caller.service


def ledger_id(value: object) -> int:
    """Read an id of the ledger in a cursor. Raises ValueError."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value
