"""Statements that put new events into the table, and answer for keys that exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.errors import EventConflict
from duly.ids import new_id
from duly.models import ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.payloads import decode
from duly.policy.states import EventStatus, OnTzdataChange
from duly.store import facts
from duly.store.events import NOTIFY_WITHIN, event_entry, events_in, record, retime, set_due
from duly.store.wakeups import notify_after_commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that has been checked, on its way into the table."""

    event_type: str
    service: str
    key: str | None
    entity_type: str
    entity_id: str
    payload: str
    rule: Rule
    user_timezone: str
    resource_timezone: str
    on_tzdata_change: OnTzdataChange = OnTzdataChange.KEEP_WALL
    handling: dict[str, Any] = field(default_factory=dict)
    first: Due | None = None
    floating: frozenset[str] = frozenset()
    """What the rule left to the moment of scheduling, by name, and was given just now."""

    def timed(self, rule: Rule, first: Due) -> Draft:
        """Give the draft with its anchored rule and its first due instant."""
        floating: frozenset[str] = frozenset()
        if rule is not self.rule:
            asked, given = self.rule.to_json(), rule.to_json()
            floating = frozenset(name for name in given if given[name] != asked.get(name))
        return replace(self, rule=rule, first=first, floating=floating)


def schedule(
    using: str, drafts: Sequence[Draft], now: datetime, on_conflict: str, actor: str
) -> list[ScheduledEvent]:
    """Store drafts, in the order given; a key that exists is answered as `on_conflict` says."""
    with transaction.atomic(using):
        existing = _existing(using, drafts)
        new = [draft for draft in drafts if (draft.service, draft.key) not in existing]
        rows = [_row(draft, now) for draft in new]
        # Another transaction may store one of these keys at this very moment: its row
        # wins, and is then found like any other that exists.
        events_in(using).bulk_create(rows, ignore_conflicts=True)
        keyed = [row.id for row in rows if row.key is not None]
        inserted = set(events_in(using).filter(id__in=keyed).values_list("id", flat=True))
        stored: dict[int, ScheduledEvent] = {}
        overtaken: list[Draft] = []
        for draft, row in zip(new, rows, strict=True):
            if row.key is None or row.id in inserted:
                row.payload = decode(draft.payload)
                stored[id(draft)] = row
            else:
                overtaken.append(draft)
        record(using, (event_entry(facts.SCHEDULED, now, row, actor) for row in stored.values()))
        existing |= _existing(using, overtaken)
        for draft in drafts:
            if id(draft) not in stored:
                event = existing[draft.service, draft.key]
                stored[id(draft)] = _meet(using, event, draft, now, on_conflict, actor)
        _wake_for(using, stored.values(), now)
    return [stored[id(draft)] for draft in drafts]


def _existing(using: str, drafts: Sequence[Draft]) -> dict[tuple[str, str | None], ScheduledEvent]:
    keys: dict[str, list[str]] = {}
    for draft in drafts:
        if draft.key is not None:
            keys.setdefault(draft.service, []).append(draft.key)
    found: dict[tuple[str, str | None], ScheduledEvent] = {}
    for service, names in keys.items():
        rows = events_in(using).filter(service=service, key__in=names)
        # In the order of their ids: two callers with the same keys must not wait for
        # each other.
        for event in rows.order_by("id").select_for_update():
            found[event.service, event.key] = event
    return found


def _meet(
    using: str, event: ScheduledEvent, draft: Draft, now: datetime, on_conflict: str, actor: str
) -> ScheduledEvent:
    """Answer a draft whose key exists."""
    if on_conflict == "raise":
        raise EventConflict(
            f"service {draft.service!r} has an event with key {draft.key!r} already: "
            f"{event.id}, {event.status}; on_conflict='replace' reschedules it"
        )
    if on_conflict == "keep" or _same_content(event, draft):
        return event
    assert draft.first is not None
    event.event_type = draft.event_type
    event.entity_type, event.entity_id = draft.entity_type, draft.entity_id
    event.payload = decode(draft.payload)
    event.user_timezone = draft.user_timezone
    event.resource_timezone = draft.resource_timezone
    event.on_tzdata_change = draft.on_tzdata_change.value
    event.handling = draft.handling
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


def _wake_for(using: str, stored: Iterable[ScheduledEvent], now: datetime) -> None:
    first = min((event.next_at for event in stored if event.next_at), default=None)
    if first is not None:
        notify_after_commit(using, first, now, NOTIFY_WITHIN)


def _same_content(event: ScheduledEvent, draft: Draft) -> bool:
    if event.status == EventStatus.CANCELLED:
        return False
    return _content_of(event) == (
        draft.event_type,
        draft.entity_type,
        draft.entity_id,
        decode(draft.payload),
        draft.user_timezone,
        draft.resource_timezone,
        draft.on_tzdata_change,
        draft.handling,
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
        event.handling,
    )


def _row(draft: Draft, now: datetime) -> ScheduledEvent:
    assert draft.first is not None
    event = ScheduledEvent(
        id=new_id(now),
        service=draft.service,
        event_type=draft.event_type,
        key=draft.key,
        entity_type=draft.entity_type,
        entity_id=draft.entity_id,
        payload=EncodedPayload(draft.payload),
        rule=draft.rule.to_json(),
        execution_timezone=draft.rule.zone,
        user_timezone=draft.user_timezone,
        resource_timezone=draft.resource_timezone,
        on_tzdata_change=draft.on_tzdata_change.value,
        handling=draft.handling,
        created_at=now,
    )
    set_due(event, draft.first, now)
    return event


def _same_rule(stored: dict[str, Any], draft: Draft) -> bool:
    """Compare rules; what one left to the moment of scheduling matches whatever is stored.

    Otherwise a deployment that schedules its rules at every start would push them ahead
    of themselves, and none would ever fire (riverqueue/river#791).
    """

    def fixed(form: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in form.items() if name not in draft.floating}

    return fixed(stored) == fixed(draft.rule.to_json())
