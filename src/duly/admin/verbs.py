"""The verbs as the admin calls them: each with who asked and why, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from duly import clock, operations, scheduling
from duly.admin.bulk import Done
from duly.conf import config
from duly.errors import DulyError
from duly.models import Occurrence
from duly.scheduling import Answer
from duly.store import notes
from duly.store.notes import Subject

ForOne = Callable[[Any, str, str], Answer]
"""Takes a row, the actor and the reason."""


def noted(
    subject: Subject,
    what: str,
    reason: str,
    actor: str,
    verb: Callable[[], Any],
    **others: str,
) -> Any:
    """Call a verb, and write to the ledger why; both or neither. Raises what the verb raises."""
    using = config().database
    with transaction.atomic(using):
        answer = verb()
        notes.note(using, [subject], what, reason, clock.now(using), actor, **others)
        return answer


def pause(event: Any, actor: str, reason: str) -> Answer:
    """Pause an event."""

    def verb() -> Answer:
        return scheduling.pause_event(event.pk, note=reason, actor=actor)

    answer: Answer = noted(Subject(event.pk), "pause", reason, actor, verb)
    return answer


def resume(event: Any, actor: str, reason: str) -> Answer:
    """Resume an event."""

    def verb() -> Answer:
        return scheduling.resume_event(event.pk, actor=actor)

    answer: Answer = noted(Subject(event.pk), "resume", reason, actor, verb)
    return answer


def cancel(event: Any, actor: str, reason: str) -> Answer:
    """Cancel an event, and what of it has not begun."""

    def verb() -> Answer:
        return scheduling.cancel_event(event.pk, actor=actor)

    answer: Answer = noted(Subject(event.pk), "cancel", reason, actor, verb)
    return answer


def cancel_occurrence(row: Any, actor: str, reason: str) -> Answer:
    """Leave out an occurrence that has not begun."""

    def verb() -> Answer:
        return operations.skip_firing(row.event_id, row.due_at, actor=actor)

    answer: Answer = noted(Subject(row.event_id, row.pk), "cancel", reason, actor, verb)
    return answer


def replay(row: Any, actor: str, reason: str) -> Occurrence:
    """Let an occurrence that has ended run again."""

    def verb() -> Occurrence:
        return scheduling.replay(row.pk, actor=actor)

    found: Occurrence = noted(Subject(row.event_id, row.pk), "replay", reason, actor, verb)
    return found


def each(verb: ForOne) -> Callable[[Sequence[Any], str, str], Done]:
    """Do the same to many rows, each in a transaction of its own."""

    def perform(rows: Sequence[Any], actor: str, reason: str) -> Done:
        done = Done()
        for row in rows:
            try:
                answer = verb(row, actor, reason)
            except DulyError as error:
                done.refused += 1
                done.last_error = str(error)
                continue
            done.changed += answer.running_since is None
            done.too_late += answer.running_since is not None
        return done

    return perform


def replay_each(rows: Sequence[Any], actor: str, reason: str) -> Done:
    """Let many occurrences run again, in few statements; what is locked is left out."""
    using = config().database
    wanted = Occurrence.objects.using(using).filter(pk__in=[row.pk for row in rows])
    with transaction.atomic(using):
        found = scheduling.replay_rows(wanted, len(rows), actor)
        subjects = [Subject(row.event_id, row.pk) for row in found]
        notes.note(using, subjects, "replay", reason, clock.now(using), actor)
    left = len(rows) - len(found)
    return Done(len(found), 0, left, "another has them just now" if left else "")
