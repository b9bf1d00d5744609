"""New events on their way into the table, and the row that each of them becomes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duly.civil.forms import rule_to_text
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.encryption import Binding, keyring
from duly.models import ScheduledEvent
from duly.payloads import decode
from duly.policy.states import EventStatus
from duly.store.events import set_due
from duly.store.rows import resolution_text
from duly.store.stored import Outline

# In the order of `cells`.
COLUMNS = (
    "id",
    "service",
    "event_type",
    "key",
    "entity_type",
    "entity_id",
    "payload",
    "rule",
    "execution_timezone",
    "user_timezone",
    "resource_timezone",
    "tzdata_fingerprint",
    "on_tzdata_change",
    "exceptions",
    "handling",
    "status",
    "reason",
    "next_at",
    "next_wall_time",
    "next_resolution",
    "created_at",
    "updated_at",
)
_SCHEDULED = EventStatus.SCHEDULED.value


class Draft(NamedTuple):
    """An event that has been checked; a tuple, because a bulk makes thousands of them."""

    event_type: str
    service: str
    key: str | None
    entity_type: str
    entity_id: str
    payload: str
    """JSON text, in plain: it is encrypted as it is stored."""
    asked: Rule
    """The rule as it was given."""
    rule: Rule
    """The rule with what it left to the moment of scheduling."""
    first: Due
    fingerprint: str
    """Of the zone data that `first` was derived with."""
    user_timezone: str
    resource_timezone: str
    on_tzdata_change: str
    handling: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Draft {self.event_type} of {self.service!r}>"

    @property
    def floating(self) -> frozenset[str]:
        """Name what the rule left to the moment of scheduling, and was given just now."""
        if self.rule is self.asked:
            return frozenset()
        asked, given = self.asked.to_json(), self.rule.to_json()
        return frozenset(name for name in given if given[name] != asked.get(name))


class Cells(NamedTuple):
    """The two rows of a draft, as texts that PostgreSQL reads."""

    event: tuple[str | None, ...]
    """In the order of COLUMNS."""
    ledger_data: str


def cells(draft: Draft, id_: str, now: str) -> Cells:
    """Write the rows of a draft.

    id_: 32 hexadecimal digits. now: in ISO 8601.
    """
    first = draft.first
    rule, next_at = rule_to_text(draft.rule), first.at.isoformat()
    plain = first.resolution == "plain" and not first.jitter
    box = keyring.boxes.get(draft.service)
    event = (
        id_,
        draft.service,
        draft.event_type,
        draft.key,
        draft.entity_type,
        draft.entity_id,
        draft.payload if box is None else box.seal(draft.payload, Binding("event", id_)),
        rule,
        draft.rule.zone,
        draft.user_timezone,
        draft.resource_timezone,
        draft.fingerprint,
        draft.on_tzdata_change,
        "[]",
        json.dumps(draft.handling) if draft.handling else "{}",
        _SCHEDULED,
        "",
        next_at,
        first.wall_time.isoformat(),
        "plain" if plain else resolution_text(first),
        now,
        now,
    )
    return Cells(event, f'{{"next_at": "{next_at}", "rule": {rule}}}')


def event_of(draft: Draft, id_: UUID, now: datetime) -> ScheduledEvent:
    """Build the event that a draft becomes; the caller saves it, or has done so."""
    event = ScheduledEvent(
        id=id_,
        service=draft.service,
        event_type=draft.event_type,
        key=draft.key,
        entity_type=draft.entity_type,
        entity_id=draft.entity_id,
        payload=decode(draft.payload),
        rule=draft.rule.to_json(),
        execution_timezone=draft.rule.zone,
        user_timezone=draft.user_timezone,
        resource_timezone=draft.resource_timezone,
        on_tzdata_change=draft.on_tzdata_change,
        # Many drafts may share one: what a caller does to his event is his alone.
        handling=json.loads(json.dumps(draft.handling)) if draft.handling else {},
        created_at=now,
    )
    set_due(event, draft.first, now)
    event.tzdata_fingerprint = draft.fingerprint
    return event


def stored_event_of(draft: Draft, id_: str, now: datetime, using: str) -> ScheduledEvent:
    """Build the event that a draft has become, as if it had been read from the table."""
    event = event_of(draft, UUID(id_), now)
    event._state.adding, event._state.db = False, using
    return event


def outline_of(draft: Draft, id_: str, now: datetime) -> Outline:
    """Give the outline of the event that a draft has become."""
    return Outline(
        UUID(id_),
        _SCHEDULED,
        draft.first.at,
        now,
        draft.rule.zone,
        draft.resource_timezone,
        draft.user_timezone,
    )
