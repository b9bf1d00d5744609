"""The next firings of a rule, marked where the clocks change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duly.civil.instants import Instant
from duly.civil.resolve import Due, offset_text
from duly.civil.rules import Rule
from duly.civil.tzdata import Transition
from duly.civil.zones import get_zone
from duly.errors import InvalidRule

MOST = 10_000
# A yearly rule passes two changes between firings; of more than that, the number will do.
_MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class Firing:
    """One firing to come."""

    due: Due
    offset: timedelta
    """The UTC offset in force when it fires."""
    local: datetime
    """When it fires, as read in the rule's zone (aware)."""
    clock_change: str
    """What the clocks did since the firing before it, or to this one; empty mostly."""


def preview(rule: Rule, n: int = 10, *, after: Instant) -> tuple[Firing, ...]:
    """Give the next `n` firings after an instant; fewer where the rule ends.

    n: 1 to 10,000. Raises InvalidRule for anything else.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise InvalidRule(f"n must be 1 to {MOST}, got {n!r}")
    firings = []
    previous = after
    for _ in range(n):
        due = rule.next(previous)
        if due is None:
            break
        firings.append(_firing(due, previous))
        previous = due.at
    return tuple(firings)


def marked(dues: Sequence[Due]) -> tuple[Firing, ...]:
    """Mark firings that are known already, ascending, where the clocks changed between them."""
    earlier = [dues[0].at - datetime.resolution, *(due.at for due in dues[:-1])] if dues else []
    return tuple(_firing(due, Instant(before)) for due, before in zip(dues, earlier, strict=True))


def _firing(due: Due, previous: Instant) -> Firing:
    zone = get_zone(due.zone)
    local = due.at.astimezone(zone.info)
    changes = zone.transitions(previous, due.at)
    marks = [_told(change) for change in changes]
    if len(changes) > _MOST_NAMED:
        marks = [f"{len(changes)} clock changes"]
    if due.resolution == "gap":
        marks.append(f"{due.wall_time:%H:%M} does not exist: {due.policy}")
    elif due.resolution == "overlap":
        marks.append(f"{_pass(local)} {due.wall_time:%H:%M}")
    if due.moved_from is not None:
        marks.append(f"moved from {due.moved_from:%a %Y-%m-%d %H:%M}")
    return Firing(due, zone.offset_at(due.at), local, "; ".join(marks))


def _pass(local: datetime) -> str:
    return "second" if local.fold else "first"


def _told(change: Transition) -> str:
    before = (change.at + change.offset_before).replace(tzinfo=None)
    way = "forward" if change.kind == "gap" else "back"
    return f"clocks {way} {offset_text(abs(change.change))[1:]} on {before:%Y-%m-%d at %H:%M}"
