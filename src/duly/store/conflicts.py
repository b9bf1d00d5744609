"""What happens to a new event whose key exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connections

from duly.errors import EventConflict, UnreadablePayload
from duly.models import ScheduledEvent
from duly.payloads import decode
from duly.policy.states import EventStatus
from duly.policy.trace import without_trace
from duly.store.drafts import Draft
from duly.store.events import events_in, retime
from duly.store.statements import statement

Key = tuple[str, str | None]


def locked(using: str, drafts: Sequence[Draft]) -> dict[Key, ScheduledEvent]:
    """Find the events that have the keys of these drafts, and lock them."""
    keys: dict[str, list[str]] = {}
    for draft in drafts:
        if draft.key is not None:
            keys.setdefault(draft.service, []).append(draft.key)
    found: dict[Key, ScheduledEvent] = {}
    for service, names in keys.items():
        for event in _locked(using, service, names):
            found[event.service, event.key] = event
    return found


def _locked(using: str, service: str, names: list[str]) -> Iterable[ScheduledEvent]:
    if connections[using].vendor == "postgresql":
        # One array, where the ORM would bind a parameter for each key.
        given = {"service": service, "keys": names}
        return ScheduledEvent.objects.using(using).raw(statement("lock_keys"), given)
    # In the order of their ids: two callers with the same keys must not wait for
    # each other.
    rows = events_in(using).filter(service=service, key__in=names)
    return rows.order_by("id").select_for_update()


def meet(
    using: str, event: ScheduledEvent, draft: Draft, now: datetime, on_conflict: str, actor: str
) -> ScheduledEvent:
    """Answer a draft whose key exists."""
    if on_conflict == "raise":
        raise EventConflict(
            f"service {draft.service!r} has an event with key {draft.key!r} already: "
            f"{event.id}, {event.status}; on_conflict='replace' reschedules it"
        )
    if on_conflict == "match":
        return _matched(event, draft)
    if on_conflict == "keep" or _same_content(event, draft):
        return event
    event.event_type = draft.event_type
    event.entity_type, event.entity_id = draft.entity_type, draft.entity_id
    event.payload = decode(draft.payload)
    event.user_timezone = draft.user_timezone
    event.resource_timezone = draft.resource_timezone
    event.on_tzdata_change = draft.on_tzdata_change
    event.handling = dict(draft.handling)
    event.save(
        using=using,
        update_fields=(
            "event_type",
            "entity_type",
            "entity_id",
            "payload",
            "user_timezone",
            "resource_timezone",
            "on_tzdata_change",
            "handling",
        ),
    )
    retime(using, event, draft.rule, draft.first, now, actor)
    return event


def _matched(event: ScheduledEvent, draft: Draft) -> ScheduledEvent:
    """Give an event that is asked for again, however it stands by now."""
    # A request that is repeated after its answer was lost must not revive what has been
    # cancelled in between.
    if not _says_the_same(event, draft):
        raise EventConflict(
            f"key {draft.key!r} of service {draft.service!r} was used for other content: event "
            f"{event.id}; use another key, or on_conflict='replace' to reschedule that event"
        )
    return event


def _same_content(event: ScheduledEvent, draft: Draft) -> bool:
    return event.status != EventStatus.CANCELLED and _says_the_same(event, draft)


def _says_the_same(event: ScheduledEvent, draft: Draft) -> bool:
    try:
        stored = _content_of(event)
    except UnreadablePayload:
        # Its key is gone: what is given now can be read again.
        return False
    return stored == (
        draft.event_type,
        draft.entity_type,
        draft.entity_id,
        decode(draft.payload),
        draft.user_timezone,
        draft.resource_timezone,
        draft.on_tzdata_change,
        without_trace(draft.handling),
    ) and _same_rule(event.rule, draft)


def _content_of(event: ScheduledEvent) -> tuple[Any, ...]:
    return (
        event.event_type,
        event.entity_type,
        event.entity_id,
        event.payload,
        event.user_timezone,
        event.resource_timezone,
        event.on_tzdata_change,
        # From wherever it is scheduled again, it is the same event.
        without_trace(event.handling),
    )


def _same_rule(stored: dict[str, Any], draft: Draft) -> bool:
    """Compare rules; what one left to the moment of scheduling matches whatever is stored.

    Otherwise a deployment that schedules its rules at every start would push them ahead
    of themselves, and none would ever fire (riverqueue/river#791).
    """

    floating = draft.floating

    def fixed(form: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in form.items() if name not in floating}

    return fixed(stored) == fixed(draft.rule.to_json())
