"""The states of events and occurrences, and the moves between them that are legal."""

from __future__ import annotations

from enum import StrEnum


class EventStatus(StrEnum):
    """Where an event is in its life."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class OccurrenceStatus(StrEnum):
    """Where one occurrence is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


# An occurrence in one of these waits for `wake_at`: its retry, or the end of its lease.
LIVE = frozenset({OccurrenceStatus.QUEUED, OccurrenceStatus.RUNNING, OccurrenceStatus.PENDING})
TERMINAL = frozenset(OccurrenceStatus) - LIVE

MOVES: dict[OccurrenceStatus, frozenset[OccurrenceStatus]] = {
    OccurrenceStatus.QUEUED: frozenset(
        {
            OccurrenceStatus.QUEUED,  # its lease ran out before it was started
            OccurrenceStatus.RUNNING,
            OccurrenceStatus.PENDING,  # parked: nobody here knows its event type
            OccurrenceStatus.SKIPPED,
            OccurrenceStatus.CANCELLED,
        }
    ),
    OccurrenceStatus.RUNNING: frozenset(
        {
            OccurrenceStatus.SUCCEEDED,
            OccurrenceStatus.PENDING,
            OccurrenceStatus.DEAD,
            OccurrenceStatus.CANCELLED,  # overlap="terminate_other"
        }
    ),
    OccurrenceStatus.PENDING: frozenset({OccurrenceStatus.QUEUED, OccurrenceStatus.CANCELLED}),
    # Whatever has ended may be replayed.
    OccurrenceStatus.SUCCEEDED: frozenset({OccurrenceStatus.PENDING}),
    OccurrenceStatus.DEAD: frozenset({OccurrenceStatus.PENDING}),
    OccurrenceStatus.SKIPPED: frozenset({OccurrenceStatus.PENDING}),
    # Cancelled before it began, its event may yet be scheduled for the same instant again.
    OccurrenceStatus.CANCELLED: frozenset(
        {OccurrenceStatus.QUEUED, OccurrenceStatus.RUNNING, OccurrenceStatus.PENDING}
    ),
}


def can_move(old: OccurrenceStatus, new: OccurrenceStatus) -> bool:
    """Say whether an occurrence may go from `old` to `new`."""
    return new in MOVES[old]


class OnTzdataChange(StrEnum):
    """What becomes of an event whose zone has other data than it was scheduled with."""

    KEEP_WALL = "keep_wall"
    """It keeps its civil time, and moves to the instant that names it now."""
    KEEP_INSTANT = "keep_instant"
    """It keeps its instant, whatever the clocks read then; the next one follows the rule."""
    HOLD = "hold"
    """It is paused if its instant would move, until a person resumes it."""
