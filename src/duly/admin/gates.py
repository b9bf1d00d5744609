"""Breakers, limits and rates in the admin: what is kept out, and to open or close one by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote, unquote
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path

from duly import circuits, clock
from duly.admin import cells, permissions, verbs
from duly.admin.engine_owned import Column, EngineOwned, Listing
from duly.admin.filters import Asked, Field
from duly.admin.searches import Order, Search
from duly.conf import config
from duly.errors import DulyError
from duly.models import Gate, GateEntry, LedgerEntry
from duly.policy.breaker import BreakerStatus
from duly.store import facts, ledger
from duly.store.dead import count_up_to
from duly.store.notes import LONGEST_REASON, Subject

BY_NAME = Order("pk", is_ascending=True)
MOST_COUNTED = 1_000
MOST_WAITING = 20
LEDGER_SHOWN = 20
LONGEST_NAME = 200
STATUSES = [(status.value, status.value.replace("_", " ")) for status in BreakerStatus]
KINDS = [
    ("service:", "of services"),
    ("type:", "of event types"),
    ("key:", "of keys, such as entities"),
]
FIELDS = (
    Field(name="q", label="Name", hint="such as service:crm, exactly"),
    Field(name="kind", label="Kind", kind="choice", choices=KINDS),
    Field(name="status", label="Breaker", kind="choice", choices=STATUSES),
)


def search(using: str, asked: Asked, now: datetime) -> Search:
    """Say which gates are wanted, by name, which is their key."""
    rows = Gate.objects.using(using)
    extra = Q()
    if name := asked.get("q"):
        rows = rows.filter(pk=name)
    if kind := asked.get("kind"):
        extra &= Q(pk__startswith=kind)
    if status := asked.get("status"):
        extra &= Q(status=status)
    return Search(base=rows, order=BY_NAME, extra=extra)


LISTING = Listing(
    intro="What limits targets: a breaker stops asking one that fails.",
    fields=FIELDS,
    columns=(
        Column("Name", lambda row, now: cells.row_link(Gate, quote(row.pk), row.pk)),
        Column("Breaker", lambda row, now: cells.status(row.status)),
        Column("Failures in a row", lambda row, now: row.in_row),
        Column("In this window", lambda row, now: f"{row.succeeded} well, {row.failed} failed"),
        Column("Tried again", lambda row, now: tried(row, now)),
        Column("Changed", lambda row, now: cells.instant(row.updated_at, now)),
    ),
    search=search,
)


def tried(row: Gate, now: datetime) -> object:
    """Say when the target of an open breaker is asked again."""
    if row.status != BreakerStatus.OPEN:
        return "–"
    return cells.instant(row.probe_at, now) if row.probe_at else "when it is closed by hand"


class GateAdmin(EngineOwned):
    """Breakers, limits and rates."""

    listing = LISTING
    key_kind = "path"
    list_template = "admin/duly/gates.html"
    page_template = "admin/duly/gate.html"

    def more_urls(self, name: str) -> list[URLPattern]:
        return [path("steer/", self.guarded(self.steer_view), name=f"{name}_steer")]

    def found(self, request: HttpRequest, pk: Any) -> Any:
        return super().found(request, unquote(pk))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        may_steer = permissions.may(request, permissions.OVERRIDE_BREAKER)
        return {"may_steer": may_steer, "longest_reason": LONGEST_REASON}

    def page_context(self, request: HttpRequest, row: Gate) -> dict[str, Any]:
        using = config().database
        now = clock.now(using)
        entries = GateEntry.objects.using(using).filter(gate=row.pk)
        waiting = entries.filter(state__in=[GateEntry.WAITING, GateEntry.READY])
        # Of no event; the last of these, whichever gate they are about.
        told = LedgerEntry.objects.using(using).filter(event_id=facts.THE_LEDGER).order_by("-id")
        about = [one for one in told[:MOST_COUNTED] if (one.data or {}).get("gate") == row.pk]
        return {
            "under_way": count_up_to(entries.filter(state=GateEntry.UNDER_WAY), MOST_COUNTED),
            "waiting": count_up_to(waiting, MOST_COUNTED),
            "most_counted": MOST_COUNTED,
            "first_waiting": list(waiting.order_by("rank")[:MOST_WAITING]),
            "tried": tried(row, now),
            "changed": cells.instant(row.updated_at, now),
            "may_steer": row.pk.startswith(circuits.KINDS)
            and permissions.may(request, permissions.OVERRIDE_BREAKER),
            "ledger": [ledger.line(one) for one in about[:LEDGER_SHOWN]],
            "longest_reason": LONGEST_REASON,
        }

    def posted(self, request: HttpRequest, row: Gate) -> HttpResponse:
        return self._steered(request, row.pk, request.path)

    def steer_view(self, request: HttpRequest) -> HttpResponse:
        """Open or close a breaker by its name, which need not have been passed yet."""
        if request.method != "POST":
            raise Http404
        name = request.POST.get("name", "").strip()
        return self._steered(request, name, cells.list_url(Gate))

    def _steered(self, request: HttpRequest, name: str, back: str) -> HttpResponse:
        permissions.require(request, permissions.OVERRIDE_BREAKER)
        what = request.POST.get("verb", "")
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        steer = {"open": circuits.open_breaker, "close": circuits.close_breaker}.get(what)
        if steer is None or not reason or not 0 < len(name) <= LONGEST_NAME:
            said = "say why: it is written to the ledger" if steer else "choose open or close"
            self.told(request, said if name else "name the breaker", is_error=True)
            return HttpResponseRedirect(back)
        actor = permissions.actor_of(request)
        try:
            verbs.noted(
                Subject(facts.THE_LEDGER),
                f"{what} breaker {name}",
                reason,
                actor,
                lambda: steer(name, actor=actor),
                gate=name,
            )
        except DulyError as error:
            self.told(request, str(error), is_error=True)
        else:
            self.told(request, f"{name}: {'held open' if what == 'open' else 'closed'}")
        return HttpResponseRedirect(back)
