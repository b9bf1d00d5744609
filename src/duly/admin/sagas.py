"""Sagas in the admin: how far they have come; signal one, or let it go back."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from duly import clock, sagas
from duly.admin import cells, permissions, verbs
from duly.admin.engine_owned import Column, EngineOwned, Listing
from duly.admin.filters import SPANS, Asked, Field, as_uuid, entity_of
from duly.admin.payloads_shown import context_shown
from duly.admin.searches import Search
from duly.conf import config
from duly.errors import DulyError
from duly.ids import first_id
from duly.models import Saga
from duly.models.saga import FORWARD, TIMER, SagaStep
from duly.policy.saga import SagaStatus
from duly.store import ledger
from duly.store.notes import LONGEST_REASON, Subject

COLUMNS = ("name", "key", "entity_type", "entity_id", "service", "status", "reason", "created_at")
LEDGER_SHOWN = 30
# Far more than a saga has steps.
MOST_STEPS = 1_000
OPEN = ("running", "waiting", "compensating")
FIELDS = (
    Field(name="q", label="Search", hint="an id, name/key, or an entity as type:id"),
    Field(name="entity", label="Entity", hint="type:id, such as booking:42"),
    Field(name="name", label="Name"),
    Field(name="service", label="Service"),
    Field(
        name="status",
        label="Status",
        kind="choice",
        choices=[(one.value, one.value) for one in SagaStatus],
    ),
    Field(
        name="started",
        label="Started",
        kind="choice",
        choices=[(name, f"within a {name}") for name in SPANS],
    ),
)


def search(using: str, asked: Asked, now: datetime) -> Search:
    """Say which sagas are wanted, the newest first."""
    rows, extra = Saga.objects.using(using).only("id", *COLUMNS), Q()
    if text := asked.get("q"):
        rows = rows.filter(_by_text(text))
    if text := asked.get("entity"):
        kind, id_ = entity_of(text) or ("", text)
        rows = rows.filter(Q(entity_type=kind, entity_id=id_) & ~Q(entity_id=""))
    if span := asked.get("started"):
        rows = rows.filter(pk__gte=first_id(now - SPANS[span]))
    if service := asked.get("service"):
        rows = rows.filter(service=service)
    for name in ("name", "status"):
        if text := asked.get(name):
            extra &= Q(**{name: text})
    return Search(base=rows, extra=extra)


def _by_text(text: str) -> Q:
    id_ = as_uuid(text)
    if id_ is not None:
        return Q(pk=id_)
    name, _, key = text.partition("/")
    found = Q(name=name, key=key)
    if entity := entity_of(text):
        found |= Q(entity_type=entity[0], entity_id=entity[1]) & ~Q(entity_id="")
    return found


LISTING = Listing(
    intro="Steps that belong together, and are undone together.",
    fields=FIELDS,
    columns=(
        Column(
            "Saga",
            lambda row, now: cells.row_link(Saga, row.pk, f"{row.name} {cells.short_id(row.pk)}"),
        ),
        Column("Key", lambda row, now: cells.shortened(row.key or "–")),
        Column("Entity", lambda row, now: cells.entity(row.entity_type, row.entity_id)),
        Column("Service", lambda row, now: row.service),
        Column("Status", lambda row, now: cells.status(row.status)),
        Column("Started", lambda row, now: cells.instant(row.created_at, now)),
        Column("Why", lambda row, now: cells.shortened(row.reason)),
    ),
    search=search,
)


class SagaAdmin(EngineOwned):
    """Sagas."""

    listing = LISTING
    page_template = "admin/duly/saga.html"

    def page_context(self, request: HttpRequest, row: Saga) -> dict[str, Any]:
        using = config().database
        may_steer = permissions.may(request, permissions.SCHEDULE)
        return {
            "entity": cells.entity(row.entity_type, row.entity_id),
            "started": cells.instant(row.created_at, clock.now(using)),
            "steps": [_step(step) for step in _in_order(using, row)],
            "payload": context_shown(request, row),
            "ledger": ledger.told(using, row.pk, LEDGER_SHOWN)[::-1],
            "may_signal": may_steer and row.status in OPEN,
            "may_cancel": may_steer and row.status in ("running", "waiting"),
            "longest_reason": LONGEST_REASON,
        }

    def posted(self, request: HttpRequest, row: Saga) -> HttpResponse:
        permissions.require(request, permissions.SCHEDULE)
        posted = request.POST
        what, reason = posted.get("verb", ""), posted.get("reason", "").strip()[:LONGEST_REASON]
        actor = permissions.actor_of(request)
        try:
            said = _steered(row, what, reason, actor, posted)
        except DulyError as error:
            self.told(request, f"{what}: {error}", is_error=True)
        except ValueError as error:
            self.told(request, f"value must be JSON: {error}", is_error=True)
        else:
            self.told(request, said)
        return HttpResponseRedirect(request.path)


def _steered(row: Saga, what: str, reason: str, actor: str, posted: Any) -> str:
    """Signal a saga, or cancel it. Raises DulyError, and ValueError for what is no JSON."""
    if not reason:
        raise DulyError("say why: it is written to the ledger")
    subject = Subject(row.pk)
    if what == "signal":
        name = posted.get("signal", "").strip()
        text = posted.get("value", "").strip()
        value = json.loads(text) if text else None

        def signal() -> Saga:
            return sagas.signal_saga(row.pk, name, value, actor=actor)

        found = verbs.noted(subject, f"signal {name}", reason, actor, signal)
    elif what == "cancel":

        def cancel() -> Saga:
            return sagas.cancel_saga(row.pk, reason=reason, actor=actor)

        found = verbs.noted(subject, "cancel", reason, actor, cancel)
    else:
        raise DulyError("choose what to do")
    return f"{what}: done; it is {found.status}"


def _in_order(using: str, row: Saga) -> list[SagaStep]:
    """Give what has begun in the order in which it did, then what is planned; no timers."""
    steps = SagaStep.objects.using(using).filter(saga_id=row.pk).exclude(direction=TIMER)
    return sorted(
        steps.defer("result")[:MOST_STEPS],
        key=lambda step: (
            step.began_at is None,
            step.began_at or row.created_at,
            step.direction != FORWARD,
            step.position,
        ),
    )


def _step(step: SagaStep) -> dict[str, Any]:
    return {
        "name": step.name if step.direction == FORWARD else f"undo {step.name}",
        "status": cells.status(step.status),
        "began": cells.instant(step.began_at),
        "ended": cells.instant(step.ended_at),
        "event": step.event_id,
        "occurrence": step.occurrence_id,
        "reason": step.reason,
    }
