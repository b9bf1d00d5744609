"""What is asked about events: schedule, look, cancel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from duly.client.calls import (
    EVENTS,
    Call,
    Listing,
    encoded,
    given,
    in_a_page,
    matching,
    one_of,
    page_of,
    path,
    with_etag,
)
from duly.client.errors import UnexpectedAnswer, error_of
from duly.client.new_event import Entity, EventOptions, NewEvent, entity_of
from duly.client.reading import result
from duly.client.results import (
    Cancelled,
    EntityCancelled,
    Event,
    EventBrief,
    Rejected,
    Scheduled,
    Stored,
    Upcoming,
)
from duly.client.times import Rule, written_optional
from duly.client.transport import Answer, Request, problem_of

EventId = UUID | str
"""An event's id, or its key."""
NDJSON = "application/x-ndjson"
BATCH = 2500
CANCELLED = "cancelled"


class Looked(TypedDict, total=False):
    """Which firings are looked for."""

    entity: Entity | None
    service: str | None
    start: datetime | None
    end: datetime | None
    timezone: str | None
    limit: int | None


class Listed(TypedDict, total=False):
    """Which events are looked for."""

    status: str | None
    type: str | None
    entity: Entity | None
    service: str | None
    timezone: str | None
    limit: int | None


def schedule(
    type: str,  # noqa: A002 - as the service calls it
    when: datetime | Rule | Mapping[str, Any],
    **options: Unpack[EventOptions],
) -> Call[Scheduled]:
    """Schedule one event; see `NewEvent` for the arguments.

    Raises Refused naming the field that breaks a rule, and Conflict where its key is known
    and `on_conflict` does not allow the change.
    """
    return Call(
        method="POST",
        path=f"{EVENTS}/schedule",
        # Tried again under its key, it is the same event.
        body=NewEvent(type, when, **options).with_key().to_json(),
        read=one_of(Scheduled),
    )


def schedule_many(batch: Sequence[NewEvent]) -> Request:
    """Ask for many events to be scheduled, one on each line."""
    return Request(
        method="POST",
        path=f"{EVENTS}/bulk",
        body=b"\n".join(encoded(new.with_key().to_json()) for new in batch),
        headers={"Content-Type": NDJSON, "Accept": NDJSON},
    )


def outcomes(answer: Answer, first: int, count: int) -> Iterator[Stored | Rejected]:
    """Read what became of a batch. first: the place of its first event among all."""
    lines = [line for line in answer.body.split(b"\n") if line.strip()]
    if len(lines) != count:
        raise UnexpectedAnswer(f"{count} events were sent, and {len(lines)} were answered")
    for index, line in enumerate(lines, first):
        yield _outcome(line, index)


def get(event: EventId, *, timezone: str | None = None) -> Call[Event]:
    """Give an event, by its id or its key; its times in `timezone`. Raises NotFound."""
    return Call(method="GET", path=on(event), query=given(timezone=timezone), read=with_etag(Event))


def upcoming(**looked: Unpack[Looked]) -> Listing[Upcoming]:
    """Give the firings to come, soonest first; recurring events several times.

    entity: (type, id), or an id. service: whose, for those who see others'.
    start, end: aware; [start, end). timezone: in which the times are given.
    limit: at most so many; without one all there are, and a recurring event may have no end.

    Pages are fetched as they are needed.
    """
    kind, id_ = entity_of(looked.get("entity"))
    call = Call(
        method="GET",
        path=f"{EVENTS}/upcoming",
        query=given(
            entity_id=id_,
            entity_type=kind,
            service_id=looked.get("service"),
            start_time=written_optional(looked.get("start"), name="start"),
            end_time=written_optional(looked.get("end"), name="end"),
            timezone=looked.get("timezone"),
            limit=in_a_page(looked.get("limit")),
        ),
        read=page_of(Upcoming),
    )
    return Listing(call, looked.get("limit"))


def events(**listed: Unpack[Listed]) -> Listing[EventBrief]:
    """Give events whatever their status, the newest first: in brief, see `get` for all.

    status, type, entity, service: each narrows the choice. timezone, limit: as `upcoming`.
    """
    kind, id_ = entity_of(listed.get("entity"))
    call = Call(
        method="GET",
        path=EVENTS,
        query=given(
            status=listed.get("status"),
            type=listed.get("type"),
            entity_id=id_,
            entity_type=kind,
            service_id=listed.get("service"),
            timezone=listed.get("timezone"),
            limit=in_a_page(listed.get("limit")),
        ),
        read=page_of(EventBrief),
    )
    return Listing(call, listed.get("limit"))


def cancel(event: EventId, if_match: str | None) -> Call[Cancelled]:
    """Ask for an event to be cancelled."""
    return Call(method="DELETE", path=on(event), headers=matching(if_match), read=one_of(Cancelled))


def cancel_entity(entity: Entity) -> Call[EntityCancelled]:
    """Cancel every live event of an entity: (type, id), or an id, whatever its type."""
    kind, id_ = entity_of(entity)
    return Call(
        method="DELETE",
        path=f"{EVENTS}/entity/{path(id_)}",
        query=given(entity_type=kind),
        read=one_of(EntityCancelled),
    )


def on(event: EventId, *more: str) -> str:
    """Give the path of an event, or of what is under it."""
    return "/".join([EVENTS, path(event), *more])


def _outcome(line: bytes, index: int) -> Stored | Rejected:
    try:
        data = json.loads(line)
        status = int(data["status"])
    except (ValueError, TypeError, KeyError):
        raise UnexpectedAnswer(f"no result of an event: {line[:100]!r}") from None
    if (problem := data.get("problem")) is not None:
        return Rejected(index=index, error=error_of(problem_of(status, problem)))
    return result(Stored, {**data, "index": index, "is_new": status == _CREATED})


_CREATED = 201
