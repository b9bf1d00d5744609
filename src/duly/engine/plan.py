"""Plan: an event that is due becomes an occurrence, and moves on to its next instant.

What can begin at once is born running: its first attempt costs no write of its own then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from duly.civil import zones
from duly.civil.at import At, fires_once
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.civil.resolve import Due
from duly.civil.rules import Rule
from duly.engine.executors.hand_over import HandOver
from duly.engine.executors.slots import Slots
from duly.engine.routes import Routes
from duly.policy.catch_up import CaughtUp, catch_up
from duly.policy.handling import Handling, has_policies
from duly.store.rows import FINISHED, Advance, Birth, DueEvent
from duly.telemetry import emit


@dataclass(slots=True)
class Room:
    """What one engine has room for, counted down while it plans."""

    routes: Routes
    slots: Slots
    held: int
    """How many more it may hold until they begin."""
    left_at: datetime | None = None
    """When the earliest was due that it had no room for."""

    def birth(self, event: DueEvent, advance: Advance, now: datetime, due_by: datetime) -> Birth:
        """Say what becomes of an instant that fires: it begins, is held, or left to others.

        What is handed over begins elsewhere. What nobody here can run, what must first pass
        its gates or wait for another occurrence of its event, and what has expired, is held for
        whoever deals with that.
        """
        route = self.routes.find(event.service, event.event_type)
        has_expired = advance.expires_at is not None and advance.expires_at < now
        is_due = event.due_at <= due_by and not has_expired
        if route is not None and isinstance(route.place, HandOver):
            if (is_due or self.held > 0) and self.slots.take(route.place):
                self.held -= not is_due
                return Birth.QUEUED
        elif route is not None and is_due and route.may_begin_with_birth(event):
            if self.slots.take(route.place):
                return Birth.RUNNING
        elif self.held > 0:
            self.held -= 1
            return Birth.QUEUED
        self.left_at = min(self.left_at or event.due_at, event.due_at)
        return Birth.LEFT


def plan(event: DueEvent, now: datetime, due_by: datetime, room: Room) -> Advance:
    """Say where a due event goes next, and what becomes of its present instant."""
    found = advance(event, now)
    if found.birth is Birth.NONE:
        return found
    birth = room.birth(event, found, now, due_by)
    return found if birth is found.birth else replace(found, birth=birth)


def advance(event: DueEvent, now: datetime) -> Advance:
    """Say whether a due event fires, and where it goes next.

    A one-off fires however late it is. A rule that cannot be evaluated any more (its zone
    was removed, its row was edited by hand) pauses its event with the reason; its present
    occurrence is born all the same.
    """
    if not has_policies(event.handling) and fires_once(event.rule):
        return FINISHED
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
        birth=Birth.QUEUED if found.fires else Birth.NONE,
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
