"""Occurrences and engines for the dashboard's tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from duly.ids import new_id
from duly.models import Engine, Occurrence
from duly.policy.states import LIVE
from tests.builders import NOW, stored_event

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def occurrence(
    using: str,
    born_at: datetime,
    status: str = "succeeded",
    late: timedelta = timedelta(0),
    **fields: Any,
) -> Occurrence:
    """Store an occurrence that was taken up at `born_at`, and began `late`."""
    event = stored_event(using, status="finished", next_at=None, next_wall_time=None)
    is_live = status in LIVE
    row = {
        "id": new_id(born_at),
        "event": event,
        "service": "default",
        "event_type": "reminder",
        "payload": None,
        "due_at": born_at,
        "wall_time": born_at.replace(tzinfo=None),
        "zone": "UTC",
        "resolution": "plain",
        "status": status,
        "attempt": 1,
        "wake_at": NOW + 10 * SECOND if is_live else None,
        "started_at": born_at + late,
        "finished_at": None if is_live else born_at + late,
        "created_at": born_at,
    }
    return Occurrence.objects.using(using).create(**(row | fields))


def engine(using: str, **fields: Any) -> Engine:
    """Store an engine that was heard of a moment ago."""
    row = {
        "holder": uuid4(),
        "host": "one",
        "pid": 1,
        "version": "1.2.3",
        "tzdata_release": "2026b",
        "started_at": NOW - HOUR,
        "beat_at": NOW - 2 * SECOND,
        "concurrency": 16,
        "running": 3,
        "held": 4,
        "clock_offset": 0.25,
    }
    return Engine.objects.using(using).create(**(row | fields))
