"""Breakers: which targets are asked, and to open or close one by hand."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import circuits
from duly.access.caller import Caller
from duly.conf import config
from duly.policy.breaker import BreakerState
from duly.policy.scopes import Scope
from duly.rest import pages, shown
from duly.rest.auth import identified
from duly.rest.events import Limit
from duly.rest.guard import needs
from duly.rest.problems import not_found, reading
from duly.rest.schemas.sagas import Breaker, BreakerPage
from duly.rest.told import iso
from duly.store import gates

router = Router(tags=["breakers"])
LONGEST_NAME = 200


@router.get("breakers", response=BreakerPage, summary="List breakers")
@needs(Scope.READ)
def list_breakers(
    request: HttpRequest, limit: Limit = pages.DEFAULT_LIMIT, cursor: pages.Cursor | None = None
) -> HttpResponse:
    """List the breakers that have been passed, by name: all, or that of the caller's service."""
    caller = identified(request)
    place = pages.read_cursor(cursor, str)
    only = None if caller.sees_all else _own(caller)
    past = place[0] if place else ""
    found = gates.page_of_breakers(config().database, past, limit + 1, only)
    page = pages.page_of(found, limit, lambda one: (one[0],))
    listed = {"items": [_shown(*one) for one in page.rows], "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.post("breakers/{path:name}/open", response=Breaker, summary="Open a breaker")
@needs(Scope.SCHEDULE)
def open_breaker(request: HttpRequest, name: str) -> HttpResponse:
    """Deliver nothing through this breaker until it is closed; what comes due waits.

    `name` is "service:" and the caller's service; with the scope admin also another's, or
    "type:" and an event type.
    """
    caller = _allowed(request, name)
    with reading({"name": name}):
        return shown.answer(_shown(name, circuits.open_breaker(name, actor=caller.actor)))


@router.post("breakers/{path:name}/close", response=Breaker, summary="Close a breaker")
@needs(Scope.SCHEDULE)
def close_breaker(request: HttpRequest, name: str) -> HttpResponse:
    """Let occurrences through again, whatever opened it; what waits follows step by step."""
    caller = _allowed(request, name)
    with reading({"name": name}):
        return shown.answer(_shown(name, circuits.close_breaker(name, actor=caller.actor)))


def _allowed(request: HttpRequest, name: str) -> Caller:
    """Give who calls, who may steer this breaker. Raises Problem."""
    # Its own: what it schedules waits then, as if it had scheduled it later.
    caller = identified(request)
    # Each makes a row, which holds no longer a name.
    is_there = caller.sees_all and name.startswith(circuits.KINDS) and len(name) <= LONGEST_NAME
    if not is_there and name != _own(caller):
        raise not_found(f"no breaker has the name {name!r:.120}")
    return caller


def _own(caller: Caller) -> str:
    return f"service:{caller.service}"


def _shown(name: str, state: BreakerState) -> dict[str, Any]:
    return {
        "name": name,
        "status": str(state.status),
        "failures_in_row": state.in_row,
        "succeeded": state.succeeded,
        "failed": state.failed,
        "openings": state.openings,
        "probe_at": iso(state.probe_at),
    }
