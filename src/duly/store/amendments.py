"""The statement that changes what an event carries, but not when it is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from duly.models import ScheduledEvent
from duly.policy.handling import marks_of
from duly.store import facts
from duly.store.events import Changed, changed, record


def amend(
    using: str, event: ScheduledEvent, fields: Mapping[str, Any], now: datetime, actor: str
) -> Changed:
    """Change columns of a locked event, by their names, to values that have been checked."""
    if not fields:
        return changed(event)
    beside = marks_of(event.handling)
    for name, value in fields.items():
        setattr(event, name, value)
    event.handling = event.handling | beside
    event.updated_at = now
    event.save(using=using, update_fields=[*fields, "updated_at"])
    # Which ones, but not to what: a payload has its place in one table only.
    data = {"fields": sorted(fields)}
    record(using, [facts.entry(facts.AMENDED, now, event.id, actor=actor, data=data)])
    return changed(event)
