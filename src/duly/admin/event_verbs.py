"""What can be done to one event on its page: each asked for, confirmed, and then done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from duly import clock, operations, scheduling
from duly.admin import cells, permissions, rule_form, verbs
from duly.admin.filters import read_instant
from duly.civil.instants import as_instant
from duly.civil.resolve import resolve
from duly.civil.rules import Rule
from duly.civil.zones import get_zone
from duly.conf import config
from duly.errors import InvalidEvent, InvalidRule
from duly.models import ScheduledEvent
from duly.policy.states import EventStatus
from duly.scheduling import Answer
from duly.store.notes import Subject

Posted = Mapping[str, str]
SCHEDULED, PAUSED = EventStatus.SCHEDULED, EventStatus.PAUSED
ALL = tuple(EventStatus)
COMPARED = timedelta(days=366)
MOST_COMPARED = 50
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb of the page of an event."""

    name: str
    label: str
    what: str
    """What it does, in a sentence."""
    permission: str
    of: Sequence[EventStatus]
    """The states of an event in which it makes sense."""
    would: Callable[[ScheduledEvent, Posted], Sequence[str]]
    """Says what it would do, and changes nothing."""
    act: Callable[[ScheduledEvent, Posted, str, str], str]
    """Does it, with actor and reason; gives the answer in words."""
    carries: Sequence[str] = ()
    """What else it takes from its form."""


def answered(answer: Answer) -> str:
    """Say what became of a request."""
    if answer.running_since is None:
        return "done"
    return f"too late, running since {answer.running_since:%Y-%m-%d %H:%M:%S} UTC"


def _simple(verb: verbs.ForOne) -> Callable[[ScheduledEvent, Posted, str, str], str]:
    return lambda event, posted, actor, reason: answered(verb(event, actor, reason))


def _next(event: ScheduledEvent) -> str:
    return str(event.next_at and f"{event.next_at:%Y-%m-%d %H:%M:%S} UTC")


def _due_at(event: ScheduledEvent, posted: Posted) -> datetime:
    text = posted.get("due_at", "")
    if text:
        return read_instant(text)
    if event.next_at is None:
        raise InvalidEvent(f"event {event.pk} is {event.status}: it has no next firing")
    return event.next_at


def _would_skip(event: ScheduledEvent, posted: Posted) -> Sequence[str]:
    at = _due_at(event, posted)
    local = cells.local_text(at, event.execution_timezone)
    return [f"Leaves out the firing of {local} {event.execution_timezone}; the others stay."]


def _skip(event: ScheduledEvent, posted: Posted, actor: str, reason: str) -> str:
    at = _due_at(event, posted)

    def verb() -> Answer:
        return operations.skip_firing(event.pk, at, actor=actor)

    return answered(verbs.noted(Subject(event.pk), "skip", reason, actor, verb))


def _moved_to(event: ScheduledEvent, posted: Posted) -> datetime:
    """Read where a firing is to go: a civil time of the event's zone, or one with an offset."""
    text = posted.get("to", "")
    try:
        to = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidEvent(
            f"to must be a civil time such as 2026-10-26T09:30, got {text!r:.60}"
        ) from None
    if to.tzinfo is not None:
        return as_instant(to)
    # Of two instants the first; a time that the clocks leave out is refused, with its neighbours.
    return resolve(to, get_zone(event.execution_timezone), gap="reject")[0].at


def _would_move(event: ScheduledEvent, posted: Posted) -> Sequence[str]:
    zone = event.execution_timezone
    origin, to = _due_at(event, posted), _moved_to(event, posted)
    if to < clock.now(config().database):
        raise InvalidEvent(f"to must not be in the past, got {to.isoformat()}")
    return [
        f"The firing of {cells.local_text(origin, zone)} {zone} comes due at "
        f"{cells.local_text(to, zone)} {zone} instead; the others stay.",
        f"That is {to:%Y-%m-%d %H:%M:%S} UTC.",
    ]


def _move(event: ScheduledEvent, posted: Posted, actor: str, reason: str) -> str:
    origin, to = _due_at(event, posted), _moved_to(event, posted)

    def verb() -> Answer:
        return operations.move_firing(event.pk, to, due_at=origin, actor=actor)

    there = {"due_at": origin.isoformat(), "to": to.isoformat()}
    return answered(verbs.noted(Subject(event.pk), "move", reason, actor, verb, **there))


def _trigger(event: ScheduledEvent, posted: Posted, actor: str, reason: str) -> str:
    def verb() -> Any:
        return scheduling.trigger_event(event.pk, actor=actor)

    born = verbs.noted(Subject(event.pk), "trigger", reason, actor, verb)
    return f"done: occurrence {born.pk} is due now"


def _span(posted: Posted) -> tuple[datetime, datetime]:
    start, end = (read_instant(posted.get(name, "")) for name in ("start", "end"))
    if start >= end:
        raise InvalidEvent("start must be before end")
    return start, end


def _would_backfill(event: ScheduledEvent, posted: Posted) -> Sequence[str]:
    start, end = _span(posted)
    missing = operations.plan_backfill(event.pk, start, end)
    lines = [f"Runs {len(missing):,} past firings that never had an occurrence, now."]
    return lines + [f"{due.at:%Y-%m-%d %H:%M:%S} UTC" for due in missing[:_NAMED]] + _more(missing)


def _more(found: Sequence[Any]) -> list[str]:
    return [f"… and {len(found) - _NAMED:,} more"] if len(found) > _NAMED else []


def _backfill(event: ScheduledEvent, posted: Posted, actor: str, reason: str) -> str:
    start, end = _span(posted)

    def verb() -> Any:
        return operations.backfill_event(event.pk, start, end, actor=actor)

    born = verbs.noted(Subject(event.pk), "backfill", reason, actor, verb)
    return f"done: {len(born):,} occurrences are due now"


def read_rule(posted: Posted) -> Rule:
    """Read the rule of the builder. Raises InvalidRule naming the first field that is wrong."""
    form = rule_form.read(posted)
    if form.rule is None:
        name, error = next(iter(form.errors.items()))
        raise InvalidRule(f"{name}: {error}")
    return form.rule


def _would_reschedule(event: ScheduledEvent, posted: Posted) -> Sequence[str]:
    rule = read_rule(posted)
    until = scheduling.preview(rule, 1)
    horizon = (until[0].due.at if until else event.created_at) + COMPARED
    plan = operations.plan_reschedule(event.pk, rule, until=horizon, limit=MOST_COMPARED)
    told = [f"New rule: {rule.describe()}."]
    for word, dues in (("Adds", plan.added), ("Removes", plan.removed), ("Keeps", plan.kept)):
        if dues:
            some = ", ".join(f"{due.wall_time:%Y-%m-%d %H:%M}" for due in dues[:_NAMED])
            more = f" and {len(dues) - _NAMED} more" if len(dues) > _NAMED else ""
            told.append(f"{word} {some}{more} (of the next {MOST_COMPARED} firings of each rule).")
    return [*told, "Firings that were left out by hand come back."] if event.exceptions else told


def _reschedule(event: ScheduledEvent, posted: Posted, actor: str, reason: str) -> str:
    rule = read_rule(posted)

    def verb() -> Answer:
        return scheduling.reschedule_event(event.pk, rule, actor=actor)

    return answered(verbs.noted(Subject(event.pk), "reschedule", reason, actor, verb))


VERBS = (
    Verb(
        name="pause",
        label="Pause",
        what="It keeps its rule, and does not come due until it is resumed.",
        permission=permissions.SCHEDULE,
        of=(SCHEDULED,),
        would=lambda event, posted: [f"It would have come due at {_next(event)}."],
        act=_simple(verbs.pause),
    ),
    Verb(
        name="resume",
        label="Resume",
        what="It comes due again by its rule, from now on.",
        permission=permissions.SCHEDULE,
        of=(PAUSED,),
        would=lambda event, posted: ["A one-off that it missed fires at once."],
        act=_simple(verbs.resume),
    ),
    Verb(
        name="trigger",
        label="Trigger",
        what="It fires now, beside its rule.",
        permission=permissions.FIRE,
        of=ALL,
        would=lambda event, posted: ["One more occurrence is due now; its schedule stays."],
        act=_trigger,
    ),
    Verb(
        name="skip",
        label="Skip a firing",
        what="One firing is left out; the next one unless you choose another.",
        permission=permissions.SCHEDULE,
        of=(SCHEDULED,),
        would=_would_skip,
        act=_skip,
        carries=("due_at",),
    ),
    Verb(
        name="move",
        label="Move a firing",
        what="One firing comes due at another time; the next one unless you choose another.",
        permission=permissions.SCHEDULE,
        of=(SCHEDULED,),
        would=_would_move,
        act=_move,
        carries=("due_at", "to"),
    ),
    Verb(
        name="backfill",
        label="Backfill",
        what="Past firings of a span that never had an occurrence run now.",
        permission=permissions.FIRE,
        of=ALL,
        would=_would_backfill,
        act=_backfill,
        carries=("start", "end"),
    ),
    Verb(
        name="reschedule",
        label="Reschedule",
        what="It gets another rule.",
        permission=permissions.SCHEDULE,
        of=ALL,
        would=_would_reschedule,
        act=_reschedule,
        carries=rule_form.NAMES,
    ),
    Verb(
        name="cancel",
        label="Cancel",
        what="It never comes due again, and what of it has not begun is cancelled.",
        permission=permissions.SCHEDULE,
        of=(SCHEDULED, PAUSED, EventStatus.FINISHED),
        would=lambda event, posted: ["What runs already is not stopped."],
        act=_simple(verbs.cancel),
    ),
)
BY_NAME = {verb.name: verb for verb in VERBS}
