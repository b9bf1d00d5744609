"""Change an event, stop it, let it go on, and fire it now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import operations, scheduling
from duly.access.caller import Caller
from duly.conf import config
from duly.models import Occurrence, ScheduledEvent
from duly.policy.scopes import Scope
from duly.rest import shown
from duly.rest.auth import identified
from duly.rest.described import CHANGE, ETAG, IF_MATCH, answering, body_as
from duly.rest.etags import check_if_match
from duly.rest.events import owner_of
from duly.rest.events import router as events_router
from duly.rest.guard import needs
from duly.rest.json_body import body_of
from duly.rest.patches import Patch, read_patch, read_timing
from duly.rest.problems import reading
from duly.rest.repeats import repeatable
from duly.rest.schemas.changes import Born, Changed, PauseRequest
from duly.rest.schemas.events import Event
from duly.store import lookup

router = Router(tags=["changes"])


@dataclass(frozen=True, slots=True)
class Locked:
    """An event that is locked until the transaction ends, and who changes it."""

    event: ScheduledEvent
    caller: Caller
    using: str


@contextmanager
def locked(request: HttpRequest, event_id: str) -> Iterator[Locked]:
    """Lock an event that the caller may change, in the state that If-Match names.

    Raises EventNotFound and Problem.
    """
    caller = identified(request)
    using = config().database
    with transaction.atomic(using):
        event = lookup.lock_owned(using, event_id, owner_of(caller))
        check_if_match(request, event)
        yield Locked(event, caller, using)


# A path has one place: here stand its methods that change something.
@events_router.patch(
    "events/{event_id}",
    response=Event,
    summary="Change an event",
    openapi_extra=body_as("EventPatch") | IF_MATCH | answering(ETAG, 200),
)
@needs(Scope.SCHEDULE)
def patch_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Change when an event is due, and what it carries; what is left out stays.

    Another time is as `POST …/reschedule`: an event that is finished, paused or cancelled is
    scheduled again. Occurrences that are there already keep the payload and policies that they
    were born with.
    """
    data = body_of(request)
    with locked(request, event_id) as it, reading(data):
        patch = read_patch(data, it.event)
        _apply(patch, it)
        event = lookup.find_owned(it.using, str(it.event.id), owner_of(it.caller))
    return shown.answer(shown.whole(event), headers=shown.with_etag(event))


def _apply(patch: Patch, it: Locked) -> None:
    actor = it.caller.actor
    if patch.rule is not None:
        scheduling.reschedule_event(it.event.id, patch.rule, actor=actor)
    if patch.changes:
        operations.amend_event(it.event.id, actor=actor, **patch.changes)


@router.post(
    "events/{event_id}/reschedule",
    response=Changed,
    summary="Give an event another time",
    openapi_extra=body_as("Timing") | CHANGE,
)
@needs(Scope.SCHEDULE)
@repeatable
def reschedule_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Give an event another rule; occurrences of the old one that have not begun are cancelled.

    An event that is finished, paused or cancelled is scheduled again.
    """
    data = body_of(request)
    with locked(request, event_id) as it, reading(data):
        rule = read_timing(data, it.event.execution_timezone)
        found = scheduling.reschedule_event(it.event.id, rule, actor=it.caller.actor)
    return shown.answer(shown.changed(found))


@router.post(
    "events/{event_id}/pause", response=Changed, summary="Pause an event", openapi_extra=CHANGE
)
@needs(Scope.SCHEDULE)
@repeatable
def pause_event(
    request: HttpRequest, event_id: str, body: PauseRequest | None = None
) -> HttpResponse:
    """Stop an event from coming due until it is resumed; it keeps its rule."""
    note = body.note if body else ""
    with locked(request, event_id) as it:
        found = scheduling.pause_event(it.event.id, note=note, actor=it.caller.actor)
    return shown.answer(shown.changed(found))


@router.post(
    "events/{event_id}/resume", response=Changed, summary="Resume an event", openapi_extra=CHANGE
)
@needs(Scope.SCHEDULE)
@repeatable
def resume_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Let a paused event come due again, from now on; a one-off that it missed fires at once."""
    with locked(request, event_id) as it:
        found = scheduling.resume_event(it.event.id, actor=it.caller.actor)
    return shown.answer(shown.changed(found))


@router.post(
    "events/{event_id}/trigger",
    response={201: Born},
    summary="Fire an event now",
    openapi_extra=CHANGE,
)
@needs(Scope.SCHEDULE)
@repeatable
def trigger_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Fire an event now, beside its rule and whatever its status."""
    with locked(request, event_id) as it:
        found = scheduling.trigger_event(it.event.id, actor=it.caller.actor)
    return shown.answer(born(found), status=201)


def born(found: Occurrence) -> dict[str, Any]:
    """Show an occurrence that is to run now."""
    return {
        "occurrence_id": str(found.id),
        "event_id": str(found.event_id),
        "due_at": found.due_at.isoformat(),
        "status": str(found.status),
    }
