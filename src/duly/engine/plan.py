"""Plan: an event that is due becomes an occurrence, and moves on to its next instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from duly.civil import zones
from duly.civil.at import At
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.policy.catch_up import CaughtUp, catch_up
from duly.policy.handling import Handling
from duly.store.rows import Advance, DueEvent
from duly.telemetry import emit


def advance(event: DueEvent, now: datetime) -> Advance:
    """Say whether a due event fires, and where it goes next.

    A one-off fires however late it is. A rule that cannot be evaluated any more (its zone
    was removed, its row was edited by hand) pauses its event with the reason; its present
    occurrence is born all the same.
    """
    try:
        rule = rule_from_json(event.rule)
        handling = Handling.from_json(event.handling)

        def next_at(after: datetime) -> datetime | None:
            due = rule.next(Instant(after))
            return None if due is None else due.at

        found = CaughtUp(True, event.due_at)
        if not isinstance(rule, At):
            found = catch_up(event.due_at, now, next_at, handling)
        next_due, left_out = _following(rule, Instant(found.after), event.exceptions)
        fingerprint = zones.get_zone(next_due.zone).fingerprint if next_due else ""
    except Exception as error:
        # Whatever it is: one rule must not stop the batch that it is planned in.
        problem = f"the rule cannot be evaluated: {error}"
        emit("events.held", event_id=event.id, error=problem)
        return Advance(None, problem=problem)
    expires_at = event.due_at + handling.expires_after if handling.expires_after else None
    return Advance(
        next_due,
        fingerprint,
        fires=found.fires,
        missed=found.missed,
        left_out=left_out,
        expires_at=expires_at,
    )


def _following(
    rule: Rule, after: Instant, exceptions: Sequence[str]
) -> tuple[Due | None, tuple[datetime, ...]]:
    """Give the next due instant that nobody has left out, and those passed over for it."""
    passed: list[datetime] = []
    due = rule.next(after)
    while due is not None and due.at.isoformat() in exceptions:
        passed.append(due.at)
        due = rule.next(due.at)
    return due, tuple(passed)
