"""Events as answers show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse

from duly.civil import zones
from duly.civil.at import At
from duly.civil.forms import rule_from_json
from duly.models import ScheduledEvent
from duly.policy.handling import without_marks
from duly.rest.etags import etag_of
from duly.scheduling import Answer, Upcoming
from duly.store.stored import Outline


def answer(
    data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Give a JSON response. Not by way of a model: what is shown here was built here."""
    return HttpResponse(
        json.dumps(data, cls=DjangoJSONEncoder),
        status=status,
        content_type="application/json",
        headers=dict(headers or {}),
    )


def with_etag(event: ScheduledEvent | Outline) -> dict[str, str]:
    """Give the header that names an event's state."""
    return {"ETag": etag_of(event)}


def scheduled(event: ScheduledEvent | Outline) -> dict[str, Any]:
    """Show an event as the answer to its scheduling."""
    return {
        "event_id": str(event.id),
        "scheduled_time": _scheduled_time(event),
        "timezone_context": context(event),
        "status": str(event.status),
    }


def brief(event: ScheduledEvent, at: datetime | None, zone: str | None = None) -> dict[str, Any]:
    """Show an event in a list.

    at: the instant of the firing meant. zone: where it is read; None: the event's own.
    """
    return {
        # What the client called it, or what it is called where the client said nothing.
        "id": event.key or str(event.id),
        "event_id": str(event.id),
        "type": event.event_type,
        "service_id": event.service,
        "entity_id": event.entity_id or None,
        "scheduled_time": local(at, zone or event.execution_timezone) if at else None,
        "timezone_context": context(event),
        "status": str(event.status),
        "payload": event.payload,
    }


def firing(one: Upcoming, zone: str | None) -> dict[str, Any]:
    """Show one firing to come."""
    return brief(one.event, one.due.at, zone)


def whole(event: ScheduledEvent, zone: str | None = None) -> dict[str, Any]:
    """Show all of an event."""
    at = event.next_at or _moment(event)
    return {
        **brief(event, at, zone),
        "entity_type": event.entity_type or None,
        "schedule": event.rule,
        "handling": without_marks(event.handling),
        "on_tzdata_change": str(event.on_tzdata_change),
        "exceptions": list(event.exceptions),
        "reason": event.reason or None,
        "created_at": event.created_at.isoformat(),
        "updated_at": event.updated_at.isoformat(),
    }


def changed(found: Answer) -> dict[str, Any]:
    """Show what became of a change."""
    since = found.running_since
    return {
        "event_id": str(found.event_id),
        "status": found.status,
        "running_since": since.isoformat() if since else None,
    }


def context(event: ScheduledEvent | Outline) -> dict[str, Any]:
    """Show the zones of an event."""
    return {
        "resource_timezone": event.resource_timezone or None,
        "user_timezone": event.user_timezone or None,
        "execution_timezone": event.execution_timezone,
    }


def local(at: datetime, zone: str) -> str:
    """Write an instant as it is read in a zone."""
    return at.astimezone(zones.get_zone(zone).info).isoformat()


def _scheduled_time(event: ScheduledEvent | Outline) -> str | None:
    at = event.next_at if isinstance(event, Outline) else event.next_at or _moment(event)
    return local(at, event.execution_timezone) if at else None


def _moment(event: ScheduledEvent) -> datetime | None:
    """Give when a one-off that is not due any more was due; a recurring event has no such time."""
    if event.rule.get("kind") != "at":
        return None
    rule = rule_from_json(event.rule)
    return rule.moment if isinstance(rule, At) else None
