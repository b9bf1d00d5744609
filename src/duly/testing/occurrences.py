"""Occurrences for tests that call a handler as the function that it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from duly.registry import DEFAULT_TIMEOUT, Occurrence

_DUE_AT = datetime(2031, 1, 1, 9, 0, tzinfo=UTC)


def occurrence(event_type: str, payload: Any = None, **fields: Any) -> Occurrence:
    """Build what a handler receives, on its first attempt.

    fields: any others of `duly.Occurrence`; the civil times follow `due_at` in UTC, and the
        deadline the default timeout, unless they are given.
    """
    due_at: datetime = fields.get("due_at", _DUE_AT)
    blank = Occurrence(
        id=UUID(int=1),
        event_id=UUID(int=2),
        event_type=event_type,
        service="default",
        key=None,
        entity_type="",
        entity_id="",
        payload=payload,
        due_at=due_at,
        local=due_at,
        wall_time=due_at.replace(tzinfo=None),
        user_timezone="",
        resource_timezone="",
        attempt=1,
        deadline=due_at + DEFAULT_TIMEOUT,
        asked_to_stop=lambda: False,
    )
    return replace(blank, **fields)
