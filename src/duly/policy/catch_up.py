"""Which of the firings that an outage prevented are made up for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from duly.policy.handling import Handling

# Later than this, a firing is a misfire; a busy engine is not an outage.
MISFIRE_AFTER = timedelta(seconds=60)
# Of more, the ledger says that there were more.
MOST_COUNTED = 1000
_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)

NextAt = Callable[[datetime], datetime | None]
"""Gives the first due instant after one; None when there is none."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Missed:
    """Due instants that will not fire."""

    first: datetime
    last: datetime
    count: int
    """At most `MOST_COUNTED`, which then stands for that many or more."""
    reason: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What becomes of an event that is due."""

    fires: bool
    """Whether the instant that it is due at fires."""
    after: datetime
    """The instant that it goes on after."""
    missed: Missed | None = None


def catch_up(due_at: datetime, now: datetime, next_at: NextAt, handling: Handling) -> CaughtUp:
    """Say whether a due instant fires, and where its event goes on.

    A firing is a misfire once it is a minute late: so many of them fire as `catch_up`
    says, the latest, the earliest, all or none within `catch_up_window`; the others are
    missed, and told. What is due since fires as ever.
    """
    missed_until = now - MISFIRE_AFTER
    if due_at > missed_until:
        return CaughtUp(True, due_at)
    floor = now - handling.catch_up_window
    reason = f"catch_up={handling.catch_up}"
    match handling.catch_up:
        case "none":
            return _skip(due_at, missed_until, next_at, reason)
        case "earliest":
            first = due_at if due_at >= floor else next_at(floor - _TICK)
            if first != due_at:
                return _until(first, due_at, missed_until, next_at, reason)
            rest = next_at(due_at)
            if rest is None or rest > missed_until:
                return CaughtUp(True, due_at)
            return CaughtUp(True, missed_until, _missed(rest, missed_until, next_at, reason))
        case "latest":
            last = last_until(due_at, missed_until, next_at)
            kept = last if last >= floor else None
        case "all":
            kept = _first_of_last(
                max(due_at, floor), missed_until, next_at, handling.catch_up_limit
            )
    return (
        CaughtUp(True, due_at)
        if kept == due_at
        else _until(kept, due_at, missed_until, next_at, reason)
    )


def last_until(known: datetime, until: datetime, next_at: NextAt) -> datetime:
    """Give the last due instant up to `until`; `known` is one of them."""
    last, none_after = known, until
    while none_after - last > _SECOND:
        middle = last + (none_after - last) / 2
        found = next_at(middle)
        if found is not None and found <= until:
            last = found
        else:
            none_after = middle
    while (found := next_at(last)) is not None and found <= until:
        last = found
    return last


def _first_of_last(
    start: datetime, until: datetime, next_at: NextAt, limit: int
) -> datetime | None:
    """Give the first of the last `limit` due instants in [start, until]; None for none."""
    first = next_at(start - _TICK)
    if first is None or first > until:
        return None
    if len(_some(first, until, next_at, limit + 1)) <= limit:
        return first
    # Halve the span until it holds few enough, and then go on one by one.
    too_many, few = first, until
    while few - too_many > _SECOND:
        middle = too_many + (few - too_many) / 2
        found = next_at(middle)
        if found is None or len(_some(found, until, next_at, limit + 1)) <= limit:
            few = middle
        else:
            too_many = middle
    found = next_at(too_many)
    assert found is not None
    ahead = _some(found, until, next_at, limit + MOST_COUNTED)
    return ahead[-limit] if len(ahead) >= limit else ahead[0]


def _some(first: datetime, until: datetime, next_at: NextAt, most: int) -> list[datetime]:
    """List due instants from `first` to `until`, at most so many."""
    found: list[datetime] = []
    at: datetime | None = first
    while at is not None and at <= until and len(found) < most:
        found.append(at)
        at = next_at(at)
    return found


def _until(
    kept: datetime | None,
    due_at: datetime,
    missed_until: datetime,
    next_at: NextAt,
    reason: str,
) -> CaughtUp:
    """Skip up to the instant that is kept; it fires in its turn."""
    if kept is None or kept > missed_until:
        return _skip(due_at, missed_until, next_at, reason)
    return CaughtUp(False, kept - _TICK, _missed(due_at, kept - _TICK, next_at, reason))


def _skip(due_at: datetime, missed_until: datetime, next_at: NextAt, reason: str) -> CaughtUp:
    return CaughtUp(False, missed_until, _missed(due_at, missed_until, next_at, reason))


def _missed(first: datetime, until: datetime, next_at: NextAt, reason: str) -> Missed:
    listed = _some(first, until, next_at, MOST_COUNTED)
    last = listed[-1] if len(listed) < MOST_COUNTED else last_until(listed[-1], until, next_at)
    return Missed(first, last, len(listed), reason)
