"""What is asked about events: schedule, look, change, cancel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from duly.client.calls import (
    EVENTS,
    MOST_IN_A_PAGE,
    Call,
    Page,
    given,
    once,
    one_of,
    page_of,
    path,
)
from duly.client.new_event import NewEvent
from duly.client.results import (
    Cancelled,
    EntityCancelled,
    Event,
    Scheduled,
    Upcoming,
)
from duly.client.times import written_optional
from duly.client.transport import Answer

EventId = UUID | str
"""An event's id, or its key."""


def schedule(new: NewEvent) -> Call[Scheduled]:
    """Ask for one event to be scheduled."""
    return Call(
        method="POST",
        path=f"{EVENTS}/schedule",
        body=new.to_json(),
        # Its own key does as well.
        headers=once() if new.key is None else {},
        read=one_of(Scheduled),
    )


def get(event: EventId) -> Call[Event]:
    """Ask for an event as it stands."""
    return Call(method="GET", path=_event(event), read=_event_of)


def cancel(event: EventId, if_match: str | None) -> Call[Cancelled]:
    """Ask for an event to be cancelled."""
    return Call(
        method="DELETE",
        path=_event(event),
        headers=once() | _matching(if_match),
        read=one_of(Cancelled),
    )


def cancel_entity(entity: tuple[str, object] | object) -> Call[EntityCancelled]:
    """Ask for the events of an entity to be cancelled."""
    kind, id_ = entity_of(entity)
    return Call(
        method="DELETE",
        path=f"{EVENTS}/entity/{path(id_)}",
        query=given(entity_type=kind),
        headers=once(),
        read=one_of(EntityCancelled),
    )


def entity_of(entity: object) -> tuple[str | None, str]:
    """Give an entity's type, if one is named, and its id."""
    match entity:
        case (kind, id_):
            return str(kind), str(id_)
    return None, str(entity)


def _event(event: EventId, *more: str) -> str:
    return "/".join([EVENTS, path(event), *more])


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _event_of(answer: Answer) -> Event:
    found = one_of(Event)(answer)
    return replace(found, etag=answer.headers.get("ETag", ""))


class Looked(TypedDict, total=False):
    """Which firings are looked for."""

    entity: tuple[str, object] | str | int | UUID
    service: str
    start: datetime
    end: datetime
    timezone: str
    limit: int


def upcoming(looked: Looked) -> Call[Page[Upcoming]]:
    """Ask for firings to come."""
    kind, id_ = entity_of(looked["entity"]) if "entity" in looked else (None, None)
    limit = looked.get("limit")
    return Call(
        method="GET",
        path=f"{EVENTS}/upcoming",
        query=given(
            entity_id=id_,
            entity_type=kind,
            service_id=looked.get("service"),
            start_time=written_optional(looked.get("start"), name="start"),
            end_time=written_optional(looked.get("end"), name="end"),
            timezone=looked.get("timezone"),
            limit=None if limit is None else str(max(1, min(limit, MOST_IN_A_PAGE))),
        ),
        read=page_of(Upcoming),
    )
