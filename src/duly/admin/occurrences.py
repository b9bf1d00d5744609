"""Occurrences and dead letters in the admin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from duly import clock
from duly.admin import cells, filters, firings, permissions, verbs
from duly.admin.engine_owned import EngineOwned
from duly.admin.event_verbs import answered
from duly.admin.occurrence_list import DEAD_FIELDS, DEAD_LISTING, LISTING, search_dead
from duly.admin.payloads_shown import payload_shown
from duly.conf import config
from duly.errors import DulyError
from duly.models import Engine, Occurrence
from duly.policy.attempts import Attempt
from duly.policy.states import TERMINAL
from duly.store import dead, ledger, occurrences
from duly.store.notes import LONGEST_REASON

# As W3C Trace Context writes it, beside the stored policies.
_TRACE = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
GROUPS_SHOWN = 20
MOST_GROUPED = 2_000


class OccurrenceAdmin(EngineOwned):
    """Occurrences."""

    listing = LISTING
    page_template = "admin/duly/occurrence.html"
    bulk_columns = ("event_id", "due_at", "status")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("payload")

    def found(self, request: HttpRequest, pk: Any) -> Any:
        rows = self.get_queryset(request).select_related("event")
        row = rows.defer("payload", "event__payload").filter(pk=pk).first()
        return row or super().found(request, pk)

    def page_context(self, request: HttpRequest, row: Occurrence) -> dict[str, Any]:
        using = config().database
        now = clock.now(using)
        attempts = occurrences.attempts_of(using, [row])[row.pk]
        names = _names(using, [*(one.holder for one in attempts), str(row.holder or "")])
        return {
            "event": row.event,
            "due": cells.instant(row.due_at, now),
            "due_in_zones": cells.in_zones(
                row.due_at, firings.zones_of(row.event, cells.viewer_zone(request))
            ),
            "wake": cells.instant(row.wake_at, now),
            "expires": cells.instant(row.expires_at, now),
            "attempts": [_attempt(one, row, now, names) for one in attempts],
            "holder": names[str(row.holder)] if row.holder else "",
            "trace": trace_of(row.handling),
            "payload": payload_shown(request, row),
            "ledger": ledger.of_occurrence(using, row.pk),
            "may_replay": row.status in TERMINAL and permissions.may(request, permissions.REPLAY),
            "may_cancel": row.status in ("pending", "queued")
            and permissions.may(request, permissions.SCHEDULE),
            "longest_reason": LONGEST_REASON,
        }

    def posted(self, request: HttpRequest, row: Occurrence) -> HttpResponse:
        verb = request.POST.get("verb", "")
        needed = {"replay": permissions.REPLAY, "cancel": permissions.SCHEDULE}
        if verb not in needed:
            self.told(request, "choose what to do", is_error=True)
            return HttpResponseRedirect(request.path)
        permissions.require(request, needed[verb])
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        if not reason:
            error = "Say why: it is written to the ledger."
            return self.page(request, row, reason_error=error)
        actor = permissions.actor_of(request)
        try:
            if verb == "replay":
                verbs.replay(row, actor, reason)
                said = "done: it runs again, under the same idempotency key"
            else:
                said = answered(verbs.cancel_occurrence(row, actor, reason))
        except DulyError as error:
            self.told(request, f"{verb.capitalize()}: {error}", is_error=True)
        else:
            is_late = said.startswith("too late")
            self.told(request, f"{verb.capitalize()}: {said}", is_error=is_late)
        return HttpResponseRedirect(request.path)


class DeadLetterAdmin(OccurrenceAdmin):
    """Occurrences whose attempts are used up, by what they died of."""

    listing = DEAD_LISTING
    list_template = "admin/duly/dead_letters.html"
    view_permission = "duly.view_occurrence"

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        using = config().database
        asked = filters.read(DEAD_FIELDS, request.GET)
        search = search_dead(using, asked, clock.now(using))
        groups = dead.grouped(search.base.filter(search.extra).order_by(), MOST_GROUPED)
        return {
            "groups": [
                {
                    "group": one,
                    "query": _query(asked, one),
                    "last": cells.instant(one.last_due_at),
                }
                for one in groups.groups[:GROUPS_SHOWN]
            ],
            "groups_left": max(0, len(groups.groups) - GROUPS_SHOWN),
            "groups_looked_at": groups.looked_at,
            "groups_are_whole": groups.is_whole,
        }


def trace_of(handling: Mapping[str, Any] | None) -> str:
    """Give the id of the trace that an occurrence belongs to; empty: there is none."""
    for name in ("tried", "traceparent"):
        found = _TRACE.fullmatch(str((handling or {}).get(name, "")))
        if found:
            return found[1]
    return ""


def _query(asked: filters.Asked, group: dead.Group) -> str:
    error = group.error[: filters.LONGEST]
    return asked.query(service=group.service, type=group.event_type, error=error)


def _names(using: str, holders: Iterable[str]) -> dict[str, str]:
    """Say which processes these are, as long as they are known; else their ids."""
    names = {holder: holder for holder in holders if holder}
    ids = []
    for holder in names:
        with suppress(ValueError):  # It may have been edited by hand.
            ids.append(UUID(holder))
    for found in Engine.objects.using(using).filter(holder__in=ids) if ids else ():
        names[str(found.holder)] = f"{found.host}, process {found.pid}"
    return names


def _attempt(
    one: Attempt, row: Occurrence, now: datetime, names: Mapping[str, str]
) -> dict[str, Any]:
    is_last = one.number == row.attempt
    ended = one.ended_at or (now if one.outcome == "running" else None)
    error = one.error or (row.error if is_last else "")
    took: timedelta | None = ended - one.began_at if ended and one.began_at else None
    return {
        "number": one.number,
        "began": cells.instant(one.began_at),
        "ended": cells.instant(one.ended_at),
        "took": cells.span(took),
        "outcome": cells.status(one.outcome),
        "error": cells.shortened(error),
        # The last one's stands above, whole.
        "trail": "" if is_last or "\n" not in error else error,
        "retry": cells.instant(one.retry_at),
        "fenced": cells.instant(one.fenced_at) if one.fenced_at else "",
        "holder": names.get(one.holder, "–"),
    }
