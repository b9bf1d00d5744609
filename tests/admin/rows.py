"""Rows that the tests of the admin look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from duly.ids import new_id
from duly.models import Occurrence, ScheduledEvent
from tests.builders import NOW, stored_event


def occurrence(using: str, event: ScheduledEvent | None = None, **fields: Any) -> Occurrence:
    """Store an occurrence of an event, pending unless it is said otherwise."""
    event = event or stored_event(using)
    due_at: datetime = fields.pop("due_at", NOW - timedelta(minutes=1))
    row = {
        "id": new_id(NOW),
        "event": event,
        "service": event.service,
        "event_type": event.event_type,
        "payload": {"n": 1},
        "due_at": due_at,
        "wall_time": due_at.replace(tzinfo=None),
        "zone": "UTC",
        "resolution": "plain",
        "status": "pending",
        "wake_at": NOW,
        "created_at": NOW,
    }
    return Occurrence.objects.using(using).create(**(row | fields))


def waiting_occurrence(
    using: str, event: ScheduledEvent | None = None, **fields: Any
) -> Occurrence:
    """Store one that waits to begin."""
    # Its event is due again later: of a firing to come there is no occurrence.
    event = event or stored_event(using, NOW + timedelta(days=1))
    return occurrence(using, event, **fields)


def dead_occurrence(using: str, event: ScheduledEvent | None = None, **fields: Any) -> Occurrence:
    """Store one whose attempts are used up."""
    dead = {
        "status": "dead",
        "wake_at": None,
        "finished_at": NOW,
        "attempt": 3,
        "error": "ValueError: no such visit\nTraceback",
    }
    return occurrence(using, event, **(dead | fields))


def only_the_room(event_type: str, payload: Any) -> Any:
    """Show of a payload what anybody may see."""
    return {"room": payload.get("room")}
