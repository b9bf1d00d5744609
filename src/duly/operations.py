"""The verbs for single firings: skip one, move one, backfill, and plan a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import transaction

from duly import clock, payloads
from duly.civil import zones
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, as_instant
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.conf import config
from duly.errors import DulyError, EventConflict, InvalidEvent
from duly.intake import Intake, NewEvent, TzdataChange, tzdata_change_of
from duly.models import Occurrence, ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.policy.handling import Handling
from duly.scheduling import Answer, OnConflict
from duly.store import amendments, arrivals, events, firings, sagas
from duly.store.drafts import Draft
from duly.store.stored import StoredEvents

MOST_BACKFILLED = 10_000
MOST_PLANNED = 1000


class Amendments(TypedDict, total=False):
    """What of an event `amend_event` changes."""

    payload: Any
    user_timezone: str
    """Empty: none."""
    resource_timezone: str
    on_tzdata_change: TzdataChange
    handling: Handling
    """In place of all of its policies."""


class Taken(NamedTuple):
    """What became of one new event of many."""

    event_id: UUID | None
    """None where it was refused."""
    is_new: bool
    error: DulyError | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What another rule would change among the next firings of an event."""

    added: tuple[Due, ...]
    removed: tuple[Due, ...]
    kept: tuple[Due, ...]


def schedule_each(
    new_events: Sequence[NewEvent], *, on_conflict: OnConflict = "match", actor: str = ""
) -> list[Taken]:
    """Schedule many events, in few statements; one that is refused does not hinder the others.

    No key may stand twice among them. Gives what became of each, in the order given: refused
    for what `schedule_event` raises.
    """
    settings = config()
    using = settings.database
    now = clock.now(using)
    intake = Intake(settings, now)
    drafts: list[Draft] = []
    found: list[Taken | None] = []
    for new in new_events:
        try:
            drafts.append(intake.take(new))
            found.append(None)
        except DulyError as error:
            found.append(Taken(None, False, error))
    refused: dict[int, EventConflict] = {}
    stored = arrivals.schedule(using, drafts, now, on_conflict, actor, refused)
    places = iter(range(len(drafts)))
    return [one or _taken(stored, next(places), refused) for one in found]


def _taken(stored: StoredEvents, place: int, refused: Mapping[int, EventConflict]) -> Taken:
    if place in refused:
        return Taken(None, False, refused[place])
    return Taken(stored.id_of(place), stored.is_new(place), None)


def skip_firing(
    event: UUID | str,
    due_at: datetime | None = None,
    *,
    service: str = "default",
    actor: str = "",
) -> Answer:
    """Leave one firing of an event out, and tell the ledger.

    due_at: its due instant (aware); None: the next one.

    "too_late" where it runs already. Raises EventNotFound; InvalidEvent for an instant at
    which the event is not due; EventConflict for one that has fired, or a paused event.
    """
    using = config().database
    at = as_instant(due_at) if due_at else None
    now = clock.now(using)
    with transaction.atomic(using):
        changed = firings.skip(using, event, service, at, now, actor)
        sagas.look_again(using, [changed], now)
    return Answer.of(changed)


def move_firing(
    event: UUID | str,
    to: datetime,
    *,
    due_at: datetime | None = None,
    service: str = "default",
    actor: str = "",
) -> Answer:
    """Let one firing of an event come due at another instant; the others stay.

    to: aware, not in the past. due_at: the one to move; None: the next one.

    Raises what `skip_firing` raises, and InvalidEvent for an instant that has passed.
    """
    using = config().database
    now = clock.now(using)
    target, at = as_instant(to), as_instant(due_at) if due_at else None
    if target < now:
        raise InvalidEvent(f"to must not be in the past, got {target.isoformat()}")
    return Answer.of(firings.move(using, event, service, at, target, now, actor))


def backfill_event(
    event: UUID | str,
    start: datetime,
    end: datetime,
    *,
    service: str = "default",
    limit: int = 1000,
    actor: str = "",
) -> list[Occurrence]:
    """Run the past firings in [start, end) that never had an occurrence, by the rule of now.

    start, end: aware; what is not past is left to come due. limit: 1 to 10,000.

    Gives the occurrences, oldest first. Raises EventNotFound, and InvalidEvent where there
    are more than `limit`.
    """
    using = config().database
    now = clock.now(using)
    found, dues = _past(using, event, service, (start, end), limit, now)
    return firings.backfill(using, found.id, service, dues, now, actor)


def plan_backfill(
    event: UUID | str,
    start: datetime,
    end: datetime,
    *,
    service: str = "default",
    limit: int = 1000,
) -> tuple[Due, ...]:
    """Say which firings `backfill_event` would run, oldest first; changes nothing.

    Takes and raises what `backfill_event` does.
    """
    using = config().database
    now = clock.now(using)
    found, dues = _past(using, event, service, (start, end), limit, now)
    there = firings.born_at(using, found.id, [due.at for due in dues])
    return tuple(due for due in dues if due.at not in there)


def _past(
    using: str,
    event: UUID | str,
    service: str,
    span: tuple[datetime, datetime],
    limit: int,
    now: datetime,
) -> tuple[ScheduledEvent, list[Due]]:
    if not 1 <= limit <= MOST_BACKFILLED:
        raise InvalidEvent(f"limit must be 1 to {MOST_BACKFILLED}, got {limit}")
    found = events.find(using, event, service)
    start, until = as_instant(span[0]), min(as_instant(span[1]), as_instant(now))
    dues = list(_firings(rule_from_json(found.rule), start, until, limit + 1))
    if len(dues) > limit:
        raise InvalidEvent(f"more than {limit} firings lie in this span; raise limit= or part it")
    return found, dues


def plan_reschedule(
    event: UUID | str,
    rule: Rule,
    *,
    until: datetime,
    service: str = "default",
    limit: int = MOST_PLANNED,
) -> Plan:
    """Say which firings up to an instant another rule would add, remove and keep.

    until: aware, not included. limit: of each rule's firings, 1 to 1,000.
    Changes nothing. Raises EventNotFound, and what the rule raises.
    """
    using = config().database
    now = as_instant(clock.now(using))
    if not 1 <= limit <= MOST_PLANNED:
        raise InvalidEvent(f"limit must be 1 to {MOST_PLANNED}, got {limit}")
    found = events.find(using, event, service)
    end = as_instant(until)
    old = {due.at: due for due in _firings(rule_from_json(found.rule), now, end, limit)}
    anchored = rule.anchored(now, str(event))
    new = {due.at: due for due in _firings(anchored, now, end, limit)}
    return Plan(
        added=tuple(due for at, due in new.items() if at not in old),
        removed=tuple(due for at, due in old.items() if at not in new),
        kept=tuple(due for at, due in old.items() if at in new),
    )


def _firings(rule: Rule, start: Instant, end: Instant, limit: int) -> Iterator[Due]:
    """Give the firings of a rule in [start, end), at most so many."""
    due = rule.next(Instant(start - datetime.resolution))
    while due is not None and due.at < end and limit:
        yield due
        limit -= 1
        due = rule.next(due.at)


def amend_event(
    event: UUID | str,
    *,
    service: str = "default",
    actor: str = "",
    **changes: Unpack[Amendments],
) -> Answer:
    """Change what an event carries, and leave when it is due as it is.

    changes: `payload`, `user_timezone`, `resource_timezone`, `on_tzdata_change` and `handling`.
        What is not given stays. Occurrences that are there already keep what they were born with.

    Raises EventNotFound, InvalidPayload, UnknownZone and InvalidEvent.
    """
    settings = config()
    using = settings.database
    now = clock.now(using)
    fields: dict[str, Any] = {}
    if "payload" in changes:
        text = payloads.encode(changes["payload"], settings.payload_max_bytes)
        fields["payload"] = EncodedPayload(text)
    for name in ("user_timezone", "resource_timezone"):
        if name in changes:
            zone: Any = changes.get(name)
            fields[name] = "" if zone == "" else zones.get_zone(zone).name
    if "handling" in changes:
        fields["handling"] = changes["handling"].to_json()
    with transaction.atomic(using):
        found = events.lock(using, event, service)
        if "on_tzdata_change" in changes:
            rule = rule_from_json(found.rule)
            fields["on_tzdata_change"] = tzdata_change_of(changes["on_tzdata_change"], rule)
        return Answer.of(amendments.amend(using, found, fields, now, actor))


askip_firing = sync_to_async(skip_firing)
amove_firing = sync_to_async(move_firing)
abackfill_event = sync_to_async(backfill_event)
aamend_event = sync_to_async(amend_event)
aplan_backfill = sync_to_async(plan_backfill)
aplan_reschedule = sync_to_async(plan_reschedule)
