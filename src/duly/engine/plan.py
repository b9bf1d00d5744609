"""Plan: an event that is due becomes an occurrence, and moves on to its next instant."""

from __future__ import annotations

from duly.civil import zones
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.store.rows import Advance, DueEvent
from duly.telemetry import emit


def advance(event: DueEvent) -> Advance:
    """Say where a due event goes next.

    A rule that cannot be evaluated any more (its zone was removed, its row was edited by
    hand) pauses its event with the reason; its present occurrence is born all the same.
    """
    try:
        rule = rule_from_json(event.rule)
        next_due = rule.next(Instant(event.due_at))
        fingerprint = zones.get_zone(next_due.zone).fingerprint if next_due else ""
    except Exception as error:
        # Whatever it is: one rule must not stop the batch that it is planned in.
        problem = f"the rule cannot be evaluated: {error}"
        emit("events.held", event_id=event.id, error=problem)
        return Advance(None, problem=problem)
    return Advance(next_due, fingerprint)
