"""From what a caller asks for to what is stored: every check of a new event.

Written for many at once: what repeats (types, services, rules, policies) is looked into
once in a call, and what is right at first sight is passed without a further call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from duly import payloads, registry, services
from duly.civil import zones
from duly.civil.at import At
from duly.civil.instants import EARLIEST, as_instant
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.civil.terms import NONE
from duly.conf import Config
from duly.errors import InvalidEvent, InvalidRule
from duly.ids import new_id
from duly.policy.handling import DEFAULT, Handling
from duly.policy.states import OnTzdataChange
from duly.store.drafts import Draft

TzdataChange = Literal["keep_wall", "keep_instant", "hold"]
LONGEST = {"service": 100, "key": 200, "entity_type": 100, "entity_id": 200, "actor": 200}


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What shall happen, before it is scheduled.

    event_type: has a handler, unless DULY["STRICT"] is False.
    rule: At, Cron, RRule or Every.
    payload: any JSON value; see `duly.payloads.encode`.
    entity: (type, id) of what the event is about, such as ("appointment", 42).
    key: at most 200 characters; (service, key) is unique, and scheduling it again
        reschedules that event.
    service: owner of the event.
    user_timezone, resource_timezone: IANA names, kept so that the due instant can be
        shown there; the rule's own zone decides when it fires.
    on_tzdata_change: what to do when a new release of the time zone data moves it:
        "keep_wall" keeps its civil time, "keep_instant" (At only) its instant, and "hold"
        pauses it until a person has looked.
    handling: policies of its own for retries, expiry, catch-up and overlap.

    Scheduling it raises InvalidEvent, InvalidPayload, InvalidRule, UnknownZone or
    UnknownEventType where one of these breaks its rule.
    """

    event_type: str
    rule: Rule
    payload: Any = field(default=None, repr=False)
    entity: tuple[str, object] | None = None
    key: str | None = None
    service: str = "default"
    user_timezone: str = ""
    resource_timezone: str = ""
    on_tzdata_change: TzdataChange = "keep_wall"
    handling: Handling = DEFAULT


class Intake:
    """Checks the new events of one call, one after the other."""

    def __init__(self, settings: Config, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self._types: dict[str, str] = {}
        self._services: set[str] = set()
        self._entity_types: set[str] = set()
        # By their identities; a draft keeps the rule, and this the policies, from being
        # forgotten and another taken for it.
        self._timings: dict[int, tuple[Rule, Due, str]] = {}
        self._recurring: dict[Rule, tuple[Rule, Due, str]] = {}
        self._handlings: dict[int, tuple[Handling, dict[str, Any]]] = {id(DEFAULT): (DEFAULT, {})}

    def take_all(self, new_events: Iterable[NewEvent]) -> list[Draft]:
        """Check them all. Raises what `NewEvent` says for the first that breaks a rule."""
        take = self.take
        drafts = [take(new) for new in new_events]
        _check_keys_differ(drafts)
        return drafts

    def take(self, new: NewEvent) -> Draft:
        """Check one. Raises what `NewEvent` says."""
        try:
            event_type = self._types[new.event_type]
        except (KeyError, TypeError):
            event_type = self._event_type(new.event_type, new.service)
        rule = new.rule
        if type(rule) is not At and not hasattr(rule, "to_json"):
            raise InvalidRule(f"rule must be At, Cron, RRule or Every, got {rule!r:.120}")
        if new.user_timezone != "":
            zones.get_zone(new.user_timezone)
        if new.resource_timezone != "":
            zones.get_zone(new.resource_timezone)
        entity_type, entity_id = self._entity(new.entity) if new.entity else entity_pair(new.entity)
        key, service = new.key, new.service
        if key is not None:
            check_length("key", key, least=1)
        if type(service) is not str or service not in self._services:
            check_length("service", service, least=1)
            self._services.add(service)
        payload = payloads.encode(new.payload, self._settings.payload_max_bytes)
        change = new.on_tzdata_change
        if change != "keep_wall":
            change = tzdata_change_of(new.on_tzdata_change, rule)
        handling = self._handlings.get(id(new.handling)) or self._handling(new.handling)
        anchored, first, fingerprint = self._timings.get(id(rule)) or self._timing(new)
        return Draft(
            event_type,
            service,
            key,
            entity_type,
            entity_id,
            payload,
            rule,
            anchored,
            first,
            fingerprint,
            new.user_timezone,
            new.resource_timezone,
            change,
            handling[1],
        )

    def _event_type(self, given: str, service: str) -> str:
        name = registry.normalise_type(given)
        if self._settings.strict and not services.require_handler(name, service):
            return name
        self._types[given] = name
        return name

    def _entity(self, entity: tuple[str, object]) -> tuple[str, str]:
        # Most are about things of one kind, by whole numbers.
        if type(entity) is tuple and len(entity) == 2:
            kind, id_ = entity
            if type(id_) is int and type(kind) is str and kind in self._entity_types:
                text = str(id_)
                if len(text) <= LONGEST["entity_id"]:
                    return kind, text
        kind, text = entity_pair(entity)
        self._entity_types.add(kind)
        return kind, text

    def _handling(self, handling: Handling) -> tuple[Handling, dict[str, Any]]:
        found = self._handlings[id(handling)] = (handling, handling.to_json())
        return found

    def _timing(self, new: NewEvent) -> tuple[Rule, Due, str]:
        rule = new.rule
        if _is_spread(rule):
            # A key keeps its jitter when it is scheduled again.
            by_key = new.key is not None
            return self._first(
                rule, f"{new.service}/{new.key}" if by_key else new_id(self._now).hex
            )
        if type(rule) is At:
            found = self._first(rule, "")
        else:
            # Found again by what it says: to ask a recurring rule is what takes time.
            found = self._recurring.get(rule) or self._first(rule, "")
            self._recurring[rule] = found
        self._timings[id(rule)] = found
        return found

    def _first(self, rule: Rule, seed: str) -> tuple[Rule, Due, str]:
        # Of a one-off without terms this is what `first_due_of` would give.
        once = rule.next(EARLIEST) if type(rule) is At and rule.terms is NONE else None
        first, anchored = (once, rule) if once else first_due_of(rule, self._now, seed)
        return anchored, first, zones.get_zone(first.zone).fingerprint


def _is_spread(rule: Rule) -> bool:
    """Say whether a rule fires at another instant for another event; if unknown, it does."""
    terms = getattr(rule, "terms", None)
    return terms is None or terms.jitter is not None


def tzdata_change_of(given: Any, rule: Rule) -> TzdataChange:
    """Check what an event with this rule does on other time zone data. Raises InvalidEvent."""
    try:
        policy = OnTzdataChange(given)
    except ValueError:
        known = ", ".join(OnTzdataChange)
        raise InvalidEvent(f"on_tzdata_change must be one of {known}; got {given!r:.60}") from None
    if policy is OnTzdataChange.KEEP_INSTANT and not isinstance(rule, At):
        # 09:00 kept at an instant that is 08:00 now would be followed by 09:00 the same day.
        raise InvalidEvent(
            "on_tzdata_change='keep_instant' goes with At only: the next firing of "
            f"{rule.describe()} is named by its civil time; use 'keep_wall' or 'hold'"
        )
    return policy.value


def first_due_of(rule: Rule, now: datetime, seed: str) -> tuple[Due, Rule]:
    """Give the first firing of a rule that is scheduled now, and the rule as it is anchored.

    A one-off in the past is due at once: what was scheduled too late still happens.
    """
    at = as_instant(now)
    anchored = rule.anchored(at, seed)
    first = anchored.next(EARLIEST if isinstance(anchored, At) else at)
    if first is None:
        raise InvalidRule(f"{rule.describe()} names no instant after {now.isoformat()}")
    return first, anchored


def entity_pair(entity: tuple[str, object] | None) -> tuple[str, str]:
    """Give what an event is about as it is stored. Raises InvalidEvent."""
    if entity is None:
        return "", ""
    match entity:
        case (str() as kind, str() | int() | UUID() as id_) if not isinstance(id_, bool):
            check_length("entity_type", kind, least=1)
            check_length("entity_id", str(id_), least=1)
            return kind, str(id_)
    raise InvalidEvent(
        f"entity must be (type, id) such as ('appointment', 42), with an id that is "
        f"text, a whole number or a UUID; got {entity!r:.120}"
    )


def check_length(field: str, value: object, *, least: int = 0) -> None:
    """Raise InvalidEvent for text that is too long, too short or cannot be printed."""
    most = LONGEST[field]
    if not isinstance(value, str):
        raise InvalidEvent(f"{field} must be text, got {value!r:.120}")
    if not least <= len(value) <= most:
        raise InvalidEvent(
            f"{field} must be {least} to {most} characters, got {len(value)}: {value!r:.60}"
        )
    if not value.isprintable():
        raise InvalidEvent(f"{field} holds characters that cannot be printed: {value!r:.120}")


def _check_keys_differ(drafts: Sequence[Draft]) -> None:
    seen: set[tuple[str, str]] = set()
    for draft in drafts:
        if draft.key is None:
            continue
        if (draft.service, draft.key) in seen:
            raise InvalidEvent(
                f"key {draft.key!r} of service {draft.service!r} stands twice in one call"
            )
        seen.add((draft.service, draft.key))
