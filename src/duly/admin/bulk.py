"""One action for many rows: counted first, with a reason, and then done in steps.

A request does a step of bounded work. What there was when it was counted is done; what comes
later is left alone, since steps go from the newest row that was counted to the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from duly import clock
from duly.admin import filters, permissions, searches
from duly.admin.filters import Asked
from duly.conf import config
from duly.errors import DulyError, InvalidEvent
from duly.store.dead import count_up_to
from duly.store.notes import LONGEST_REASON

if TYPE_CHECKING:
    from duly.admin.engine_owned import EngineOwned

# Each is a transaction of its own: a step takes about a second.
STEP = 200
MOST_COUNTED = 10_000
MOST_SELECTED = 1_000


@dataclass(slots=True)
class Done:
    """What became of the rows of a step."""

    changed: int = 0
    too_late: int = 0
    refused: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """What can be done to many rows at once."""

    name: str
    label: str
    permission: str
    applies: Q
    """Of which rows it makes sense; the others are not counted."""
    perform: Callable[[Sequence[Any], str, str], Done]
    """Takes rows, the actor and the reason; each row stands or falls by itself."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says: which action, of which rows, and how far it has come."""

    action: BulkAction
    ids: tuple[str, ...]
    is_all: bool
    filters: Asked
    reason: str
    is_confirmed: bool
    place: str
    changed: int
    too_late: int
    refused: int


def respond(admin: EngineOwned, request: HttpRequest) -> HttpResponse:
    """Answer a step of an action: the count, what has been done so far, or the end."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    back = reverse(f"admin:duly_{admin.opts.model_name}_changelist")
    try:
        asked = _read(admin, request)
    except DulyError as error:
        admin.told(request, str(error), is_error=True)
        return HttpResponseRedirect(back)
    permissions.require(request, asked.action.permission)
    if query := asked.filters.query():
        back = f"{back}?{query}"
    rows = _rows(admin, request, asked)
    if not asked.is_confirmed or not asked.reason:
        return _counted(admin, request, asked, rows, back)
    try:
        page = _step(admin, request, asked, rows)
    except DulyError as error:
        admin.told(request, str(error), is_error=True)
        return HttpResponseRedirect(back)
    done = _done(asked, page.rows, permissions.actor_of(request))
    if page.next_place is not None:
        context = _context(asked, back) | {
            "title": f"{asked.action.label}: {done.changed:,} so far",
            "done": done,
            "place": searches.place_text(page.next_place),
        }
        return admin.rendered(request, "admin/duly/bulk_progress.html", context)
    admin.told(request, _said(asked.action, done), is_error=not done.changed)
    return HttpResponseRedirect(back)


def _read(admin: EngineOwned, request: HttpRequest) -> _Asked:
    posted = request.POST
    known = {one.name: one for one in admin.listing.actions}
    if posted.get("action", "") not in known:
        raise InvalidEvent(f"choose an action: {', '.join(known)}")
    ids = tuple(dict.fromkeys(posted.getlist("ids")))
    is_all = posted.get("all") == "1"
    if not ids and not is_all:
        raise InvalidEvent("select rows, or all that match")
    if len(ids) > MOST_SELECTED or any(filters.as_uuid(id_) is None for id_ in ids):
        raise InvalidEvent(f"a selection is at most {MOST_SELECTED:,} ids of rows")
    asked = filters.read(admin.listing.fields, posted)
    if asked.errors:
        # All that match another filter than the one that was seen is not what was meant.
        raise InvalidEvent("; ".join(asked.errors.values()))
    return _Asked(
        action=known[posted["action"]],
        ids=() if is_all else ids,
        is_all=is_all,
        filters=asked,
        reason=posted.get("reason", "").strip()[:LONGEST_REASON],
        is_confirmed=posted.get("confirm") == "1",
        place=posted.get("place", ""),
        changed=_count(posted.get("changed", "")),
        too_late=_count(posted.get("too_late", "")),
        refused=_count(posted.get("refused", "")),
    )


def _rows(admin: EngineOwned, request: HttpRequest, asked: _Asked) -> Any:
    rows = admin.get_queryset(request)
    if not asked.is_all:
        return rows.filter(pk__in=asked.ids)
    search = admin.listing.search(config().database, asked.filters, _now())
    return search.base.filter(search.extra).order_by()


def _counted(
    admin: EngineOwned, request: HttpRequest, asked: _Asked, rows: Any, back: str
) -> HttpResponse:
    """Say how many rows would be changed, and ask for the reason."""
    count = count_up_to(rows.filter(asked.action.applies), MOST_COUNTED + 1)
    newest = rows.filter(asked.action.applies).order_by("-pk").values_list("pk", flat=True).first()
    missing = "Say why: it is written to the ledger." if asked.is_confirmed else ""
    context = _context(asked, back) | {
        "title": f"{asked.action.label}: how many",
        "count": min(count, MOST_COUNTED),
        "is_more": count > MOST_COUNTED,
        "selected": len(asked.ids),
        "place": f"upto:{newest}" if newest else "",
        "reason_error": missing,
        "filters": [
            (one.label, asked.filters.get(one.name))
            for one in admin.listing.fields
            if asked.filters.get(one.name)
        ],
    }
    return admin.rendered(
        request, "admin/duly/bulk_count.html", context, status=400 if missing else 200
    )


def _step(admin: EngineOwned, request: HttpRequest, asked: _Asked, rows: Any) -> searches.Page:
    """Find the rows of this step, by their primary key, newest first."""
    wanted = rows.filter(asked.action.applies).order_by("-pk").select_related(None)
    upto = asked.place.removeprefix("upto:")
    if (id_ := filters.as_uuid(upto)) is None:
        raise InvalidEvent("the rows were not counted; begin anew")
    is_first = asked.place.startswith("upto:")
    wanted = wanted.filter(pk__lte=id_) if is_first else wanted.filter(pk__lt=id_)
    found = list(wanted.only("pk", *admin.bulk_columns)[: STEP + 1])
    if len(found) > STEP:
        return searches.Page(rows=found[:STEP], next_place=(found[STEP - 1].pk,))
    return searches.Page(rows=found)


def _done(asked: _Asked, rows: Sequence[Any], actor: str) -> Done:
    """Do a step, and add what was done before it."""
    done = asked.action.perform(rows, actor, asked.reason) if rows else Done()
    done.changed += asked.changed
    done.too_late += asked.too_late
    done.refused += asked.refused
    return done


def _context(asked: _Asked, back: str) -> dict[str, Any]:
    return {
        "action": asked.action,
        "ids": asked.ids,
        "is_all": asked.is_all,
        "values": dict(asked.filters.values),
        "reason": asked.reason,
        "back": back,
        "longest_reason": LONGEST_REASON,
    }


def _said(action: BulkAction, done: Done) -> str:
    said = [f"{action.label}: {done.changed:,} done"]
    if done.too_late:
        said.append(f"{done.too_late:,} too late, since they ran already")
    if done.refused:
        said.append(f"{done.refused:,} refused ({done.last_error or 'see the ledger'})")
    return "; ".join(said)


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _now() -> datetime:
    return clock.now(config().database)
