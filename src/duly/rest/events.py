"""Schedule, look at, and cancel events: the contract."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from duly import clock, registry, scheduling
from duly.access.caller import Caller
from duly.conf import config
from duly.errors import EventNotFound
from duly.policy.scopes import Scope
from duly.policy.states import EventStatus
from duly.rest import pages, shown
from duly.rest.admission import admit
from duly.rest.auth import identified
from duly.rest.described import ETAG, IDEMPOTENCY_KEY, IF_MATCH, NEXT_PAGE, answering, body_as
from duly.rest.etags import check_if_match
from duly.rest.guard import needs
from duly.rest.headers import header
from duly.rest.json_body import body_of
from duly.rest.new_events import Reader, check_zone, foreign_service
from duly.rest.problems import Problem, reading
from duly.rest.schedules import read_instant
from duly.rest.schemas.base import Zone
from duly.rest.schemas.events import (
    Cancelled,
    EntityCancelled,
    Event,
    EventBrief,
    EventPage,
    Scheduled,
    Status,
)
from duly.scheduling import Answer
from duly.store import events as stored_events
from duly.store import lookup, sagas
from duly.store.lookup import Owner, Wanted, Window

router = Router(tags=["events"])

Limit = Annotated[int, Field(ge=1, le=pages.MOST)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


@router.post(
    "events/schedule",
    response={200: Scheduled, 201: Scheduled},
    summary="Schedule an event",
    openapi_extra=body_as("NewEvent") | IDEMPOTENCY_KEY | answering(ETAG, 200, 201),
)
@needs(Scope.SCHEDULE)
def schedule_event(request: HttpRequest) -> HttpResponse:
    """Schedule one event: 201 when it was created, 200 when the same request had done so before.

    A `scheduled_time` without offset is civil time in the execution timezone; with one, it is
    that instant. `schedule` says it in our own form instead. The `id`, or the header
    Idempotency-Key, makes a repetition safe: the same content gives the same event, however it
    stands by now, and other content is refused (409).
    """
    caller = identified(request)
    data = body_of(request)
    new, on_conflict = Reader(caller).read(data, header(request, "Idempotency-Key"))
    admit(request, new)
    with reading(data):
        stored = scheduling.schedule_events([new], on_conflict=on_conflict, actor=caller.actor)
    event = stored.outline_of(0)
    status = 201 if stored.is_new(0) else 200
    return shown.answer(shown.scheduled(event), status=status, headers=shown.with_etag(event))


@router.get(
    "events/upcoming",
    response=list[EventBrief],
    summary="List what comes up",
    openapi_extra=answering(NEXT_PAGE, 200),
)
@needs(Scope.READ)
def upcoming(  # noqa: PLR0913 - each narrows the choice
    request: HttpRequest,
    entity_id: Text | None = None,
    entity_type: Text | None = None,
    service_id: Text | None = None,
    start_time: Text | None = None,
    end_time: Text | None = None,
    timezone: Zone | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: Text | None = None,
) -> HttpResponse:
    """List the firings to come in [start_time, end_time), soonest first.

    A recurring event stands there once for each firing. Without `start_time` what is overdue is
    listed as well. Times without an offset are read in `timezone`, in which the answer is given
    as well; without one, each in its own zone. The header Link leads to the next page.
    """
    caller = identified(request)
    if timezone is not None:
        check_zone("timezone", timezone)
    zone = timezone or "UTC"
    start = read_instant("start_time", start_time, zone) if start_time else None
    end = read_instant("end_time", end_time, zone) if end_time else None
    place = pages.read_cursor(cursor, pages.instant, UUID)
    first, after = place or (start, None)
    wanted = Wanted(
        service=service_seen(caller, service_id),
        entity_type=entity_type or "",
        entity_id=entity_id or "",
    )
    window = Window(start=first, after=after, end=end, limit=limit + 1)
    found = scheduling.upcoming_of(wanted, window)
    page = pages.page_of(found, limit, lambda one: (one.due.at, one.event.id))
    listed = [shown.firing(one, timezone) for one in page.rows]
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.get(
    "events",
    response=EventPage,
    summary="List events",
    openapi_extra=answering(NEXT_PAGE, 200),
)
@needs(Scope.READ)
def list_events(  # noqa: PLR0913 - each narrows the choice
    request: HttpRequest,
    status: Status | None = None,
    type: Text | None = None,  # noqa: A002 - its name in the contract
    entity_id: Text | None = None,
    entity_type: Text | None = None,
    service_id: Text | None = None,
    timezone: Zone | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: Text | None = None,
) -> HttpResponse:
    """List events whatever their status, the newest first."""
    caller = identified(request)
    if timezone is not None:
        check_zone("timezone", timezone)
    with reading({"type": type}):
        event_type = registry.normalise_type(type) if type else ""
    wanted = Wanted(
        service=service_seen(caller, service_id),
        entity_type=entity_type or "",
        entity_id=entity_id or "",
        event_type=event_type,
        status=status or "",
    )
    place = pages.read_cursor(cursor, UUID)
    found = lookup.newest(config().database, wanted, place[0] if place else None, limit + 1)
    page = pages.page_of(found, limit, lambda one: (one.id,))
    items = [shown.brief(one, one.next_at, timezone) for one in page.rows]
    listed = {"items": items, "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.get(
    "events/{event_id}",
    response=Event,
    summary="Look at an event",
    openapi_extra=answering(ETAG, 200),
)
@needs(Scope.READ)
def get_event(request: HttpRequest, event_id: str, timezone: Zone | None = None) -> HttpResponse:
    """Give an event by its event_id, or by the id that the client gave it."""
    caller = identified(request)
    if timezone is not None:
        check_zone("timezone", timezone)
    event = lookup.find_owned(config().database, event_id, owner_of(caller))
    return shown.answer(shown.whole(event, timezone), headers=shown.with_etag(event))


@router.delete(
    "events/entity/{path:entity_id}",
    response=EntityCancelled,
    summary="Cancel the events of an entity",
)
@needs(Scope.CANCEL)
def cancel_entity(
    request: HttpRequest,
    entity_id: str,
    entity_type: Text | None = None,
    service_id: Text | None = None,
) -> HttpResponse:
    """Cancel every event of an entity that is to come, or not over; there may be none.

    Without `entity_type`, of whatever type.
    """
    caller = identified(request)
    service = service_seen(caller, service_id)
    using = config().database
    now = clock.now(using)
    with transaction.atomic(using):
        found = stored_events.cancel_entity(
            using, entity_type or "", entity_id, service, now, caller.actor
        )
        sagas.look_again(using, found, now)
    alive = (EventStatus.SCHEDULED, EventStatus.PAUSED)
    count = sum(one.running_since is None or one.was in alive for one in found)
    return shown.answer({"status": "cancelled", "entity_id": entity_id, "events_cancelled": count})


@router.delete(
    "events/{event_id}",
    response=Cancelled,
    summary="Cancel an event",
    openapi_extra=IF_MATCH,
)
@needs(Scope.CANCEL)
def cancel_event(request: HttpRequest, event_id: str) -> HttpResponse:
    """Cancel an event; 404 where nothing of it is to come, 409 where its only firing runs."""
    caller = identified(request)
    using = config().database
    with transaction.atomic(using):
        event = lookup.lock_owned(using, event_id, owner_of(caller))
        check_if_match(request, event)
        if not lookup.has_work(using, event):
            raise EventNotFound(f"event {event_id!r:.220} is {event.status}: nothing is to cancel")
        found = scheduling.cancel_event(event.id, actor=caller.actor)
        was_alive = event.status in (EventStatus.SCHEDULED, EventStatus.PAUSED)
        if found.running_since is not None and not was_alive:
            raise _too_late(found)
    return shown.answer({"status": "cancelled", "event_id": str(event.id)})


def owner_of(caller: Caller) -> Owner:
    """Say on whose behalf a caller looks for events."""
    return Owner(service=caller.service, sees_all=caller.sees_all)


def service_seen(caller: Caller, asked: str | None) -> str | None:
    """Give the service that a caller's list is of; None: every one. Raises Problem."""
    if asked is None:
        return None if caller.sees_all else caller.service
    if not caller.may_touch(asked):
        raise foreign_service(asked)
    return asked


def _too_late(found: Answer) -> Problem:
    assert found.running_since is not None
    return Problem(
        409,
        "Too late",
        f"event {found.event_id} runs since {found.running_since.isoformat()}; a running "
        "occurrence is not stopped",
        kind="too-late",
    )
