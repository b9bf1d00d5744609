"""The form of a new event: what was typed, what is wrong with it, and what it would do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex
from typing import Any

from django.db import transaction

from duly import clock, scheduling
from duly.admin import cells, rule_form
from duly.admin.filters import entity_of
from duly.civil.instants import as_instant
from duly.civil.rules import Rule
from duly.conf import config
from duly.errors import DulyError, EventConflict, InvalidEvent, InvalidRule, UnknownEventType
from duly.intake import Intake, NewEvent, check_length
from duly.models import ScheduledEvent
from duly.policy.states import OnTzdataChange
from duly.store import notes
from duly.store.notes import Subject

LONGEST_PAYLOAD = 100_000
TZDATA_CHANGES = tuple(change.value for change in OnTzdataChange)
_OF_EVENT = ("type", "service", "key", "entity", "user_timezone", "resource_timezone")
NAMES = (*_OF_EVENT, "on_tzdata_change", "payload", *rule_form.NAMES)
# Each is added by itself, so that what it breaks is said beside it.
_ADDED = ("key", "entity", "user_timezone", "resource_timezone", "on_tzdata_change", "payload")
_USUAL = {"service": "default", "on_tzdata_change": OnTzdataChange.KEEP_WALL.value}
_FIRINGS_NAMED = 5


@dataclass(frozen=True, slots=True)
class NewEventForm:
    """What was typed, and what it asks for."""

    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    """By the names of the fields; in duly's own words."""
    new: NewEvent | None = None
    """None: it has errors."""


def begun(given: Mapping[str, str]) -> NewEventForm:
    """Give the form with what is known before anything is typed."""
    return NewEventForm(_USUAL | {name: given[name] for name in NAMES if given.get(name)})


def read(given: Mapping[str, str], now: datetime) -> NewEventForm:
    """Read the form, and check all of it as `duly.schedule_event` will; stores nothing."""
    values = {name: str(given.get(name, "")).strip() for name in NAMES}
    values |= {name: usual for name, usual in _USUAL.items() if not values[name]}
    built = rule_form.read(given)
    errors = dict(built.errors)
    if not values["type"]:
        errors = {"type": "Say what is to happen: an event type, such as send_reminder."} | errors
    if built.rule is None or errors:
        return NewEventForm(values, errors)
    new = NewEvent(values["type"], built.rule, service=values["service"])
    intake = Intake(config(), now)
    if error := _refused(intake, new):
        return NewEventForm(values, error)
    for name in _ADDED:
        try:
            new = _with(new, name, values[name])
            intake.take(new)
        except DulyError as problem:
            errors[name] = str(problem)
            new = replace(new, **_without(name))
    return NewEventForm(values, errors, None if errors else new)


def _refused(intake: Intake, new: NewEvent) -> dict[str, str]:
    try:
        check_length("service", new.service, least=1)
    except InvalidEvent as error:
        return {"service": str(error)}
    try:
        intake.take(new)
    except (InvalidRule, ValueError) as error:
        # A type that is no name is an InvalidEvent, and the only one that is left.
        return {"type" if isinstance(error, InvalidEvent) else "rule": str(error)}
    except UnknownEventType as error:
        return {"type": str(error)}
    return {}


def _with(new: NewEvent, name: str, text: str) -> NewEvent:
    """Add a field. Raises DulyError for a text that cannot be read."""
    value: Any = text
    match name:
        case "key":
            value = text or None
        case "entity":
            value = entity_of(text)
            if text and value is None:
                raise InvalidEvent(
                    f"an entity is type:id, such as appointment:42; got {text!r:.60}"
                )
        case "payload":
            value = _payload(text)
    return replace(new, **{name: value})


def _without(name: str) -> dict[str, Any]:
    usual: Any = {"key": None, "entity": None, "payload": None}.get(name, _USUAL.get(name, ""))
    return {name: usual}


def _payload(text: str) -> Any:
    if len(text) > LONGEST_PAYLOAD:
        raise InvalidEvent(f"a payload typed here has at most {LONGEST_PAYLOAD:,} characters")
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the payload is not JSON: {error}") from None


def new_key() -> str:
    """Give a key to an event that has none, so that a form sent twice schedules it once."""
    return f"admin-{token_hex(6)}"


def would(new: NewEvent, now: datetime) -> list[str]:
    """Say what the event would be, and when it fires first."""
    rule: Rule = new.rule
    told = [f"Type {new.event_type}, of service {new.service}, under the key {new.key}."]
    if new.entity:
        told.append(f"It is about {cells.entity(str(new.entity[0]), str(new.entity[1]))}.")
    told.append(f"Rule: {rule.describe()}.")
    found = scheduling.preview(rule, _FIRINGS_NAMED, after=as_instant(now))
    for one in found:
        local = cells.local_text(one.due.at, one.due.zone)
        mark = f" ({one.clock_change})" if one.clock_change else ""
        told.append(f"Fires {local} {one.due.zone}{mark}")
    if not found:
        told.append("Its instant has passed: it fires at once.")
    return told


def schedule(new: NewEvent, actor: str, reason: str) -> tuple[ScheduledEvent, bool]:
    """Schedule it, and write to the ledger why; gives the event, and whether it is a new one.

    The same once more changes nothing. Raises what `duly.schedule_event` raises; EventConflict
    where the key is another event's.
    """
    using = config().database
    with transaction.atomic(using):
        stored = scheduling.schedule_events([new], on_conflict="match", actor=actor)
        event, is_new = stored[0], stored.is_new(0)
        if is_new:
            subject = [Subject(event.pk)]
            notes.note(using, subject, "schedule", reason, clock.now(using), actor)
    return event, is_new


def beside(error: DulyError) -> str:
    """Say at which field an error stands that only the database knew."""
    return "key" if isinstance(error, EventConflict) else ""
