"""The verbs: schedule, cancel, reschedule, pause, resume, trigger, and what comes up.

Each takes part in the caller's transaction: rolled back with it, durable with it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Unpack
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import QuerySet

from duly import clock, registry, services
from duly.civil import contexts
from duly.civil import explain as explaining
from duly.civil import preview as previewing
from duly.civil.contexts import Validation
from duly.civil.explain import Explanation
from duly.civil.forms import rule_from_json
from duly.civil.instants import EARLIEST, Instant, as_instant
from duly.civil.preview import Firing
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.conf import config
from duly.errors import EventConflict, EventNotFound, InvalidEvent
from duly.intake import Intake, NewEvent, TzdataChange, check_length, entity_pair, first_due_of
from duly.models import Occurrence, ScheduledEvent
from duly.policy.handling import Handling, HandlingArguments
from duly.policy.states import OccurrenceStatus
from duly.store import arrivals, events, lookup, sagas
from duly.store.lookup import Wanted, Window
from duly.store.moves import next_due
from duly.store.rows import stored_due
from duly.store.stored import StoredEvents

OnConflict = Literal["replace", "keep", "match", "raise"]
ON_CONFLICT = ("replace", "keep", "match", "raise")
MOST_UPCOMING = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request to change an event.

    `too_late` means that an occurrence of it runs already, and could not be stopped.
    """

    event_id: UUID
    status: Literal["done", "too_late"]
    running_since: datetime | None = None

    @classmethod
    def of(cls, changed: events.Changed) -> Answer:
        """Build the answer that a change gives."""
        if changed.running_since is None:
            return cls(changed.event_id, "done")
        return cls(changed.event_id, "too_late", changed.running_since)

    def __str__(self) -> str:
        if self.running_since is None:
            return f"{self.event_id}: done"
        return f"{self.event_id}: too late, running since {self.running_since.isoformat()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """One future firing of an event."""

    event: ScheduledEvent
    due: Due


def schedule_event(  # noqa: PLR0913 - all but two by keyword
    event_type: str,
    rule: Rule,
    *,
    payload: Any = None,
    entity: tuple[str, object] | None = None,
    key: str | None = None,
    service: str = "default",
    user_timezone: str = "",
    resource_timezone: str = "",
    on_tzdata_change: TzdataChange = "keep_wall",
    on_conflict: OnConflict = "replace",
    actor: str = "",
    **handling: Unpack[HandlingArguments],
) -> ScheduledEvent:
    """Schedule one event; see `NewEvent` for the arguments.

    handling: retry, timeout, expires_after, catch_up, catch_up_window, catch_up_limit and
        overlap; see `Handling`.

    on_conflict: what to do where (service, key) exists: "replace" reschedules it (the same
        content again changes nothing), "keep" leaves it as it is, "match" as well but refuses
        other content, "raise" refuses.
    actor: who does this, for the ledger.

    Gives the event as stored. Raises what NewEvent says, InvalidRule also for a rule that
    names no further instant, and EventConflict under "raise" and "match".
    """
    new = NewEvent(
        event_type,
        rule,
        payload=payload,
        entity=entity,
        key=key,
        service=service,
        user_timezone=user_timezone,
        resource_timezone=resource_timezone,
        on_tzdata_change=on_tzdata_change,
        handling=Handling.of(handling),
    )
    return schedule_events([new], on_conflict=on_conflict, actor=actor)[0]


def schedule_events(
    new_events: Iterable[NewEvent], *, on_conflict: OnConflict = "replace", actor: str = ""
) -> StoredEvents:
    """Schedule many events, in few statements: all of them or, on any error, none.

    All are checked before the first is stored. Gives the events as stored, in the order
    given: a sequence that builds each when it is read. Raises what `schedule_event` raises.
    """
    if on_conflict not in ON_CONFLICT:
        raise InvalidEvent(f"on_conflict must be one of {ON_CONFLICT}, got {on_conflict!r}")
    settings = config()
    using = settings.database
    now = clock.now(using)
    drafts = Intake(settings, now).take_all(new_events)
    check_length("actor", actor)
    # Which of them are to be encrypted.
    services.registry.refresh(settings)
    return arrivals.schedule(using, drafts, now, on_conflict, actor)


def cancel_event(event: UUID | str, *, service: str = "default", actor: str = "") -> Answer:
    """Cancel an event, by its id or its key, and its occurrences that have not begun.

    Cancelling it again is done as well. Raises EventNotFound.
    """
    using = config().database
    now = clock.now(using)
    with transaction.atomic(using):
        changed = events.cancel(using, event, service, now, actor)
        sagas.look_again(using, [changed], now)
    return Answer.of(changed)


def cancel_entity_events(
    entity_type: str, entity_id: object, *, service: str | None = None, actor: str = ""
) -> list[Answer]:
    """Cancel every live event of an entity; gives one answer for each.

    service: those of this one only; None: of all.

    A saga of which a step is cancelled goes back; compensations are not cancelled.
    """
    using = config().database
    kind, id_ = entity_pair((entity_type, entity_id))
    now = clock.now(using)
    with transaction.atomic(using):
        cancelled = events.cancel_entity(using, kind, id_, service, now, actor)
        sagas.look_again(using, cancelled, now)
    return [Answer.of(one) for one in cancelled]


def reschedule_event(
    event: UUID | str, rule: Rule, *, service: str = "default", actor: str = ""
) -> Answer:
    """Give an event another rule; occurrences of the old one that have not begun are cancelled.

    A finished, paused or cancelled event is scheduled again. Raises EventNotFound, InvalidRule.
    """
    using = config().database
    now = clock.now(using)
    first, anchored = first_due_of(rule, now, str(event))
    with transaction.atomic(using):
        changed = events.reschedule(using, event, service, anchored, first, now, actor)
        sagas.look_again(using, [changed], now)
    return Answer.of(changed)


def pause_event(
    event: UUID | str, *, note: str = "", service: str = "default", actor: str = ""
) -> Answer:
    """Stop an event from coming due until it is resumed; it keeps its rule.

    Raises EventNotFound, and EventConflict for one that is finished or cancelled.
    """
    using = config().database
    now = clock.now(using)
    with transaction.atomic(using):
        changed = events.pause(using, event, service, note, now, actor)
        sagas.look_again(using, [changed], now)
    return Answer.of(changed)


def resume_event(event: UUID | str, *, service: str = "default", actor: str = "") -> Answer:
    """Let a paused event come due again, from now on: a one-off that it missed fires at once.

    Raises EventNotFound, and EventConflict for one that is not paused.
    """
    using = config().database
    now = clock.now(using)

    def first_due(found: ScheduledEvent) -> Due:
        return first_due_of(rule_from_json(found.rule), now, "")[0]

    return Answer.of(events.resume(using, event, service, first_due, now, actor))


def trigger_event(event: UUID | str, *, service: str = "default", actor: str = "") -> Occurrence:
    """Fire an event now, beside its rule; gives the occurrence. Raises EventNotFound."""
    using = config().database
    return events.trigger(using, event, service, clock.now(using), actor)


def replay(
    occurrence: Occurrence | UUID | str, *, service: str | None = None, actor: str = ""
) -> Occurrence:
    """Let one occurrence that has ended run again, under the same idempotency key.

    service: another's is not found; None: whosever it is.

    Its attempts so far are forgiven, and it does not expire any more. Raises EventNotFound,
    and EventConflict for one that has not ended.
    """
    using = config().database
    id_ = _occurrence_id(occurrence)
    rows = _occurrences(id_, service)
    found = events.replay(using, rows, 1, clock.now(using), actor)
    if found:
        return found[0]
    status = rows.values_list("status", flat=True).first()
    if status is None:
        raise _no_occurrence(id_, service)
    raise EventConflict(f"occurrence {id_} is {status}: only one that has ended can be replayed")


def find_occurrence(occurrence: UUID | str, *, service: str | None = None) -> Occurrence:
    """Find an occurrence by its id; another service's is not found. Raises EventNotFound."""
    id_ = _occurrence_id(occurrence)
    found = _occurrences(id_, service).first()
    if found is None:
        raise _no_occurrence(id_, service)
    return found


def replay_dead(  # noqa: PLR0913 - each narrows the choice
    *,
    event_type: str | None = None,
    service: str | None = None,
    entity: tuple[str, object] | None = None,
    error: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 1000,
    actor: str = "",
) -> list[Occurrence]:
    """Let dead occurrences run again: all, or those that every given filter lets pass.

    error: a part of its first line. start, end: of the due instants, [start, end), aware.
    limit: at most so many, oldest first, 1 to 10,000.

    Raises InvalidEvent or InvalidTime for a filter that cannot be.
    """
    rows = dead_letters(
        event_type=event_type, service=service, entity=entity, error=error, start=start, end=end
    )
    return replay_rows(rows, limit, actor)


def replay_rows(rows: QuerySet[Occurrence, Occurrence], limit: int, actor: str) -> list[Occurrence]:
    """Let the oldest of those that `dead_letters` gave run again; see `replay_dead`."""
    using = config().database
    _check_limit(limit)
    return events.replay(using, rows, limit, clock.now(using), actor)


def dead_letters(
    *,
    event_type: str | None = None,
    service: str | None = None,
    entity: tuple[str, object] | None = None,
    error: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> QuerySet[Occurrence, Occurrence]:
    """Find the occurrences whose attempts are used up, oldest first; see `replay_dead`."""
    rows = Occurrence.objects.using(config().database).filter(status=OccurrenceStatus.DEAD)
    if event_type is not None:
        rows = rows.filter(event_type=registry.normalise_type(event_type))
    if service is not None:
        rows = rows.filter(service=service)
    if entity is not None:
        kind, id_ = entity_pair(entity)
        rows = rows.filter(event__entity_type=kind, event__entity_id=id_)
    if error is not None:
        rows = rows.filter(error__contains=error)
    if start is not None:
        rows = rows.filter(due_at__gte=as_instant(start))
    if end is not None:
        rows = rows.filter(due_at__lt=as_instant(end))
    return rows.order_by("due_at", "id")


def upcoming_events(
    *,
    entity: tuple[str, object] | None = None,
    service: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 100,
) -> list[Upcoming]:
    """List the firings to come in [start, end), soonest first; recurring events several times.

    start, end: aware; None means no end, and no start: what is overdue is listed as well.
    limit: 1 to 10,000. Raises InvalidEvent or InvalidTime for anything else.
    """
    _check_limit(limit)
    kind, id_ = entity_pair(entity)
    window = Window(
        start=as_instant(start) if start else None,
        end=as_instant(end) if end else None,
        limit=limit,
    )
    return upcoming_of(Wanted(service=service, entity_type=kind, entity_id=id_), window)


def upcoming_of(wanted: Wanted, window: Window) -> list[Upcoming]:
    """List the firings to come of certain events, by their instants and then by their ids."""
    found = lookup.upcoming(config().database, wanted, window)
    return [Upcoming(event=event, due=due) for event, due in _merged(found, window)]


def preview(rule: Rule, n: int = 10, *, after: datetime | None = None) -> tuple[Firing, ...]:
    """Give the next `n` firings of a rule, with marks where the clocks change.

    after: aware; None means now.
    """
    moment = as_instant(after or clock.now(config().database))
    return previewing.preview(rule.anchored(moment), n, after=moment)


def validate(
    resource_timezone: str,
    user_timezone: str,
    *,
    at: datetime | None = None,
    local: str | datetime | None = None,
    execution_timezone: str | None = None,
) -> Validation:
    """Say what differs between two zones, and what is wrong with them.

    at: the instant at which they are compared (aware); None means now.
    local: a civil time to look at as well, read in `execution_timezone`, which is the
        resource's unless it is named.

    Raises InvalidTime; an unknown zone is a warning here, and not `compatible`.
    """
    return contexts.validate(
        resource_timezone,
        user_timezone,
        at=at or clock.now(config().database),
        local=local,
        execution_timezone=execution_timezone,
    )


def explain(subject: ScheduledEvent | Occurrence | Upcoming | Due) -> Explanation:
    """Say in words, and as data, why something is due when it is.

    Raises InvalidEvent for an event that has no next due instant.
    """
    match subject:
        case Due():
            return explaining.explain(subject)
        case Upcoming():
            return _explained(subject.event, subject.due)
        case ScheduledEvent():
            if subject.next_at is None or subject.next_wall_time is None:
                raise InvalidEvent(f"event {subject.id} is {subject.status}: it is not due again")
            return _explained(subject, next_due(subject))
        case Occurrence():
            assert subject.wall_time is not None
            due = stored_due(subject.due_at, subject.wall_time, subject.zone, subject.resolution)
            return _explained(subject.event, due)


def _explained(event: ScheduledEvent, due: Due) -> Explanation:
    others = dict.fromkeys([event.user_timezone, event.resource_timezone])
    shown = [zone for zone in others if zone and zone != due.zone]
    rule = rule_from_json(event.rule)
    return explaining.explain(rule.told(due), rule, zones=shown)


def _merged(
    found: Sequence[ScheduledEvent], window: Window
) -> Iterator[tuple[ScheduledEvent, Due]]:
    """Merge the firings of many events into one ascending row."""
    first, limit = window.start or EARLIEST, window.limit
    heap = []
    for event in found:
        stored = next_due(event)
        # `next` is strict, and the window includes its start.
        due = stored if stored.at >= first else _after(event, first - datetime.resolution)
        if due is not None and window.after and (due.at, event.id) <= (first, window.after):
            due = _after(event, due.at)
        if due is not None:
            heap.append((due.at, event.id, event, due))
    heapq.heapify(heap)
    while heap and limit and (window.end is None or heap[0][0] < window.end):
        _, _, event, due = heap[0]
        yield event, due
        limit -= 1
        following = _after(event, due.at)
        if following:
            heapq.heapreplace(heap, (following.at, event.id, event, following))
        else:
            heapq.heappop(heap)


def _after(event: ScheduledEvent, moment: datetime) -> Due | None:
    """Give an event's first firing after an instant that nobody has left out."""
    rule = rule_from_json(event.rule)
    due = rule.next(Instant(moment))
    while due is not None and due.at.isoformat() in event.exceptions:
        due = rule.next(due.at)
    return due


def _occurrence_id(occurrence: Occurrence | UUID | str) -> UUID:
    if isinstance(occurrence, Occurrence):
        found: UUID = occurrence.id
        return found
    try:
        return occurrence if isinstance(occurrence, UUID) else UUID(occurrence)
    except (ValueError, TypeError, AttributeError):
        raise EventNotFound(f"{occurrence!r:.60} is no id of an occurrence") from None


def _no_occurrence(id_: UUID, service: str | None) -> EventNotFound:
    place = "" if service is None else f" of service {service!r}"
    return EventNotFound(f"no occurrence{place} has the id {str(id_)!r}")


def _occurrences(id_: UUID, service: str | None) -> QuerySet[Occurrence, Occurrence]:
    rows = Occurrence.objects.using(config().database).filter(id=id_)
    return rows if service is None else rows.filter(service=service)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST_UPCOMING:
        raise InvalidEvent(f"limit must be 1 to {MOST_UPCOMING}, got {limit}")


# Django's ORM is synchronous within: these run the verbs above on its thread, and join
# whatever transaction is open there.
aschedule_event = sync_to_async(schedule_event)
aschedule_events = sync_to_async(schedule_events)
acancel_event = sync_to_async(cancel_event)
acancel_entity_events = sync_to_async(cancel_entity_events)
areschedule_event = sync_to_async(reschedule_event)
apause_event = sync_to_async(pause_event)
aresume_event = sync_to_async(resume_event)
atrigger_event = sync_to_async(trigger_event)
aupcoming_events = sync_to_async(upcoming_events)
areplay = sync_to_async(replay)
areplay_dead = sync_to_async(replay_dead)
aexplain = sync_to_async(explain)
