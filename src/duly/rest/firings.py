"""Single firings of an event: skip one, move one, make up for some, and plan a change."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import operations, scheduling
from duly.civil.resolve import Due
from duly.conf import config
from duly.errors import EventConflict
from duly.policy.scopes import Scope
from duly.rest import shown
from duly.rest.auth import identified
from duly.rest.changes import born, locked
from duly.rest.described import CHANGE, body_as
from duly.rest.events import owner_of
from duly.rest.guard import needs
from duly.rest.json_body import body_of
from duly.rest.patches import read_timing
from duly.rest.problems import invalid, reading
from duly.rest.repeats import repeatable
from duly.rest.schedules import read_aware
from duly.rest.schemas import changes as schemas
from duly.store import lookup

router = Router(tags=["firings"])


@router.post(
    "events/{event_id}/skip",
    response=schemas.Changed,
    summary="Leave a firing out",
    openapi_extra=CHANGE,
)
@needs(Scope.CANCEL)
@repeatable
def skip_firing(
    request: HttpRequest, event_id: str, body: schemas.SkipRequest | None = None
) -> HttpResponse:
    """Leave one firing of an event out: the next one, or that of an instant."""
    due_at = read_aware("due_at", body.due_at) if body and body.due_at else None
    with locked(request, event_id) as it, reading(body and body.dict()):
        found = operations.skip_firing(it.event.id, due_at, actor=it.caller.actor)
    return shown.answer(shown.changed(found))


@router.post(
    "events/{event_id}/move",
    response=schemas.Changed,
    summary="Move a firing",
    openapi_extra=CHANGE,
)
@needs(Scope.SCHEDULE)
@repeatable
def move_firing(request: HttpRequest, event_id: str, body: schemas.MoveRequest) -> HttpResponse:
    """Let one firing come due at another instant; the others stay."""
    to = read_aware("to", body.to)
    due_at = read_aware("due_at", body.due_at) if body.due_at else None
    with locked(request, event_id) as it, reading(body.dict()):
        found = operations.move_firing(it.event.id, to, due_at=due_at, actor=it.caller.actor)
    return shown.answer(shown.changed(found))


@router.post(
    "events/{event_id}/backfill",
    response=schemas.Backfilled,
    summary="Make up for past firings",
    openapi_extra=CHANGE,
)
@needs(Scope.SCHEDULE)
@repeatable
def backfill_event(
    request: HttpRequest, event_id: str, body: schemas.BackfillRequest
) -> HttpResponse:
    """Run the past firings in [start, end) that never had an occurrence, by the rule of now."""
    start, end = read_aware("start", body.start), read_aware("end", body.end)
    with locked(request, event_id) as it, reading(body.dict()):
        found = operations.backfill_event(
            it.event.id, start, end, limit=body.limit, actor=it.caller.actor
        )
    occurrences = [born(one) for one in found]
    return shown.answer({"event_id": str(it.event.id), "occurrences": occurrences})


@router.post(
    "events/{event_id}/plan",
    response=schemas.Plan,
    summary="See what another time would change",
    openapi_extra=body_as("PlanRequest"),
)
@needs(Scope.READ)
def plan_reschedule(request: HttpRequest, event_id: str) -> HttpResponse:
    """Say which firings up to `until` another rule would add, remove and keep; changes nothing."""
    caller = identified(request)
    data = body_of(request)
    event = lookup.find_owned(config().database, event_id, owner_of(caller))
    rule = read_timing(data, event.execution_timezone, frozenset({"until", "limit"}))
    limit = data.get("limit", operations.MOST_PLANNED)
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise invalid("limit", limit, f"must be a whole number, 1 to {operations.MOST_PLANNED}")
    until = read_aware("until", data.get("until"))
    with reading(data):
        plan = operations.plan_reschedule(event.id, rule, until=until, limit=limit)
    return shown.answer(
        {
            "added": [due_data(due) for due in plan.added],
            "removed": [due_data(due) for due in plan.removed],
            "kept": [due_data(due) for due in plan.kept],
        }
    )


@router.get(
    "events/{event_id}/explain",
    response={200: schemas.Explanation, 409: None},
    summary="Explain when an event is due",
)
@needs(Scope.READ)
def explain_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Say in sentences, and as data, why an event is due when it is."""
    caller = identified(request)
    event = lookup.find_owned(config().database, event_id, owner_of(caller))
    if event.next_at is None:
        raise EventConflict(f"event {event.id} is {event.status}: it is not due again")
    return shown.answer(scheduling.explain(event).to_json())


def due_data(due: Due) -> dict[str, Any]:
    """Show one firing."""
    return {
        "at": due.at.isoformat(),
        "local": shown.local(due.at, due.zone),
        "wall_time": due.wall_time.isoformat(),
        "zone": due.zone,
        "resolution": due.resolution,
        "policy": due.policy,
    }
