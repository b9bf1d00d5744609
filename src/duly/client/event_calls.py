"""What is asked about events: schedule, look, change, cancel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from duly.client.calls import (
    EVENTS,
    Call,
    Page,
    encoded,
    given,
    in_a_page,
    one_of,
    page_of,
    path,
)
from duly.client.errors import UnexpectedAnswer, error_of
from duly.client.new_event import Entity, NewEvent, entity_of
from duly.client.reading import result
from duly.client.results import (
    Answer,
    Cancelled,
    EntityCancelled,
    Event,
    EventBrief,
    Rejected,
    Scheduled,
    Stored,
    Triggered,
    Upcoming,
)
from duly.client.times import Rule, timing, written_optional
from duly.client.transport import Answer as HttpAnswer
from duly.client.transport import Request, problem_of

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


def schedule(new: NewEvent) -> Call[Scheduled]:
    """Ask for one event to be scheduled; tried again, it is the same event."""
    return Call(
        method="POST",
        path=f"{EVENTS}/schedule",
        body=new.with_key().to_json(),
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


def outcomes(answer: HttpAnswer, first: int, count: int) -> Iterator[Stored | Rejected]:
    """Read what became of a batch. first: the place of its first event among all."""
    lines = [line for line in answer.body.split(b"\n") if line.strip()]
    if len(lines) != count:
        raise UnexpectedAnswer(f"{count} events were sent, and {len(lines)} were answered")
    for index, line in enumerate(lines, first):
        yield _outcome(line, index)


def get(event: EventId, timezone: str | None) -> Call[Event]:
    """Ask for an event as it stands."""
    return Call(method="GET", path=_event(event), query=given(timezone=timezone), read=_event_of)


def upcoming(looked: Looked) -> Call[Page[Upcoming]]:
    """Ask for firings to come."""
    kind, id_ = entity_of(looked.get("entity"))
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
            limit=in_a_page(looked.get("limit")),
        ),
        read=page_of(Upcoming),
    )


def events(listed: Listed) -> Call[Page[EventBrief]]:
    """Ask for events, whatever their status."""
    kind, id_ = entity_of(listed.get("entity"))
    return Call(
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


def cancel(event: EventId, if_match: str | None) -> Call[Cancelled]:
    """Ask for an event to be cancelled."""
    return Call(
        method="DELETE", path=_event(event), headers=_matching(if_match), read=one_of(Cancelled)
    )


def cancel_entity(entity: Entity) -> Call[EntityCancelled]:
    """Ask for the events of an entity to be cancelled."""
    kind, id_ = entity_of(entity)
    return Call(
        method="DELETE",
        path=f"{EVENTS}/entity/{path(id_)}",
        query=given(entity_type=kind),
        read=one_of(EntityCancelled),
    )


def reschedule(
    event: EventId,
    when: datetime | Rule | Mapping[str, Any],
    timezone: str,
    if_match: str | None,
) -> Call[Answer]:
    """Ask for another time."""
    context = {"execution_timezone": timezone} if timezone else {}
    return Call(
        method="POST",
        path=_event(event, "reschedule"),
        body=timing(when, context),
        headers=_matching(if_match),
        read=one_of(Answer),
    )


def pause(event: EventId, note: str) -> Call[Answer]:
    """Ask for an event to stop coming due."""
    return Call(
        method="POST", path=_event(event, "pause"), body={"note": note}, read=one_of(Answer)
    )


def resume(event: EventId) -> Call[Answer]:
    """Ask for it to come due again."""
    # The second time it is not paused any more, which is a conflict.
    return Call(
        method="POST", path=_event(event, "resume"), read=one_of(Answer), is_repeatable=False
    )


def trigger(event: EventId) -> Call[Triggered]:
    """Ask for it to fire now, beside its rule."""
    return Call(
        method="POST", path=_event(event, "trigger"), read=one_of(Triggered), is_repeatable=False
    )


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


def _event(event: EventId, *more: str) -> str:
    return "/".join([EVENTS, path(event), *more])


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _event_of(answer: HttpAnswer) -> Event:
    return replace(one_of(Event)(answer), etag=answer.headers.get("ETag", ""))
