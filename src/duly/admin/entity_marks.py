"""What happened and will happen to one entity, or to one event that is about none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from duly import scheduling
from duly.admin.rule_form import stored_rule
from duly.admin.timeline import Lane, Mark
from duly.civil.instants import Instant
from duly.errors import DulyError
from duly.models import Occurrence, ScheduledEvent
from duly.policy.attempts import Attempt
from duly.store.occurrences import latest_attempts

MOST_EVENTS = 10
MOST_PAST = 12
MOST_FUTURE = 5
_EVENT = (
    "id",
    "event_type",
    "key",
    "rule",
    "exceptions",
    "status",
    "next_at",
    "execution_timezone",
    "updated_at",
)
_OCCURRENCE = ("id", "event_id", "due_at", "status", "attempt", "wake_at")
# Twelve occurrences of five attempts each, and what else is told of them.
MOST_FACTS = 200
_KINDS = {"succeeded": "succeeded", "died": "dead", "running": "running"}
_ENDED = {"retried": "failed", "died": "failed, the last", "running": "runs"}
_WORDS = {"pending": "waits", "queued": "is about to begin", "running": "runs"}


def lanes_of(using: str, event: ScheduledEvent) -> list[Lane]:
    """Give a lane for each of the latest events of the entity, that of this event first.

    In three queries, whatever the events have behind them; the third where attempts failed.
    """
    events = [event, *_others(using, event)]
    past: dict[object, list[Occurrence]] = {one.pk: [] for one in events}
    rows = _latest(using, events)
    for row in rows:
        past[row.event_id].append(row)
    tried = latest_attempts(using, [row for row in rows if row.attempt > 1], MOST_FACTS)
    return [Lane(one, [*_past_marks(past[one.pk], tried), *_coming(one)]) for one in events]


def _others(using: str, event: ScheduledEvent) -> Sequence[ScheduledEvent]:
    if not event.entity_id:
        return []
    rows = ScheduledEvent.objects.using(using).filter(
        entity_type=event.entity_type, entity_id=event.entity_id
    )
    return list(rows.exclude(pk=event.pk).only(*_EVENT).order_by("-id")[: MOST_EVENTS - 1])


def _latest(using: str, events: Sequence[ScheduledEvent]) -> Sequence[Occurrence]:
    """Give the latest occurrences of each event, in one query that reads no more than these."""
    rows = Occurrence.objects.using(using).only(*_OCCURRENCE)
    if connections[using].features.supports_slicing_ordering_in_compound:
        each = [rows.filter(event_id=one.pk).order_by("-due_at")[:MOST_PAST] for one in events]
        return list(each[0].union(*each[1:], all=True) if len(each) > 1 else each[0])
    place = Window(RowNumber(), partition_by=F("event_id"), order_by=F("due_at").desc())
    numbered = rows.filter(event_id__in=[one.pk for one in events]).annotate(place=place)
    return list(numbered.filter(place__lte=MOST_PAST))


def _past_marks(rows: Sequence[Occurrence], tried: Mapping[UUID, Sequence[Attempt]]) -> list[Mark]:
    marks = []
    for row in rows:
        number = f", attempt {row.attempt}" if row.attempt > 1 else ""
        said = f"{_WORDS.get(row.status, row.status)}{number}"
        marks.append(Mark(row.due_at, row.status, said, row.pk))
        marks += [_attempt_mark(row, one) for one in tried.get(row.pk, ()) if one.began_at]
        if row.status == "pending" and row.attempt and row.wake_at:
            marks.append(Mark(row.wake_at, "retry", f"attempt {row.attempt + 1} is due", row.pk))
    return marks


def _attempt_mark(row: Occurrence, one: Attempt) -> Mark:
    assert one.began_at is not None
    error = one.error.partition("\n")[0]
    said = f"attempt {one.number} {_ENDED.get(one.outcome, one.outcome)}"
    kind = _KINDS.get(one.outcome, "tried")
    return Mark(one.began_at, kind, f"{said}: {error:.120}" if error else said, row.pk)


def _coming(event: ScheduledEvent) -> list[Mark]:
    if event.next_at is None:
        if event.status == "cancelled":
            return [Mark(event.updated_at, "cancelled", "the event was cancelled")]
        return []
    rule = stored_rule(event.rule)
    dues: list[datetime] = [event.next_at]
    if rule is not None:
        after = Instant(event.next_at - datetime.resolution)
        try:
            found = scheduling.preview(rule, MOST_FUTURE + len(event.exceptions), after=after)
            dues = [one.due.at for one in found] or dues
        except DulyError:
            pass
    kept = [at for at in dues if at.isoformat() not in event.exceptions][:MOST_FUTURE]
    return [Mark(at, "coming", "will be due") for at in kept]
