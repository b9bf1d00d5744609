"""The only reader of a clock.

The database's clock has authority: every process that shares a database shares its
time, whatever the clocks of their hosts say. It is read now and then; in between, time
is carried forward on the monotonic clock, which no administrator and no NTP step moves.

A reading that is far from the time carried is doubted: somebody may be setting the
database's clock right, or wrong. It is believed once it has held for a minute; until
then nothing fires that is not due by both (docs/adr/0007-clocks.md).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import connections

# A reading older than this is taken again: quartz drifts some 50 us a second at worst,
# so a carried reading is off by less than a millisecond.
REFRESH_SECONDS = 10.0
# A clock that runs at all is nearer than this to where it was expected.
JUMP_SECONDS = 1.0
# Twice the 500 ppm at which NTP slews, and more than any quartz drifts.
DRIFT = 0.001
# Longer than a virtual machine's migration, or an NTP daemon's second thought, takes.
CONFIRM_SECONDS = 60.0
# An answer that took longer says too little about when the clock was read.
SLOW_SECONDS = 0.5

_NOW_SQL = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL",
}


class Clock(Protocol):
    """What the engine and the verbs ask of time; `duly.testing` has one set by hand."""

    def now(self, using: str) -> datetime:
        """Give the database's present instant (aware, UTC)."""
        ...

    def doubt(self, using: str) -> timedelta:
        """Say how far the database's clock reads ahead of `now`, while that is not believed."""
        ...

    def due_by(self, using: str) -> datetime:
        """Give the instant up to which things are due: `now`, or a doubted time before it."""
        ...

    def refresh(self, using: str) -> None:
        """Read the database's clock."""
        ...

    def monotonic(self) -> float:
        """Give seconds on a clock that only moves forward."""
        ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on `condition`, which the caller holds, for at most `seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database's clock read, and when on the monotonic clock."""

    at: datetime
    arrived: float
    """When the answer came: carried from here, a reading is late by part of a round trip,
    and therefore never early."""
    took: float = 0.0
    """Seconds of the round trip."""

    def carried(self, to: float) -> datetime:
        """Give the instant that it is at `to` on the monotonic clock."""
        return self.at + timedelta(seconds=to - self.arrived)


@dataclass(frozen=True, slots=True)
class Belief:
    """What a process makes of the readings so far."""

    trusted: Reading
    doubted: Reading | None = None
    doubted_since: float = 0.0

    @property
    def read_at(self) -> float:
        """When the last reading was taken, on the monotonic clock."""
        return (self.doubted or self.trusted).arrived

    def doubt(self) -> timedelta:
        """Say how far the doubted reading is ahead of the time that is trusted."""
        if self.doubted is None:
            return timedelta(0)
        return self.doubted.at - self.trusted.carried(self.doubted.arrived)


def weigh(before: Belief | None, new: Reading) -> Belief:
    """Say what to believe after one more reading."""
    if before is None:
        return Belief(new)
    if _agree(before.trusted, new):
        is_better = new.took <= max(SLOW_SECONDS, before.trusted.took)
        return Belief(new if is_better else before.trusted)
    if before.doubted is None or not _agree(before.doubted, new):
        return Belief(before.trusted, new, new.arrived)
    if new.arrived - before.doubted_since < CONFIRM_SECONDS:
        return replace(before, doubted=new)
    return Belief(new)


def _agree(earlier: Reading, later: Reading) -> bool:
    """Say whether one clock can have given both, on its ordinary way."""
    moved = (later.at - earlier.carried(later.arrived)).total_seconds()
    slack = JUMP_SECONDS + DRIFT * (later.arrived - earlier.arrived)
    # Each was taken at some moment of its round trip, which may have been a long one: the
    # process, or the server, may have stood still.
    return -slack - later.took <= moved <= slack + earlier.took


class DatabaseClock:
    """The database's time, carried between readings on the monotonic clock."""

    def __init__(self) -> None:
        self._beliefs: dict[str, Belief] = {}

    def now(self, using: str) -> datetime:
        return self._belief(using).trusted.carried(time.monotonic())

    def doubt(self, using: str) -> timedelta:
        return self._belief(using).doubt()

    def due_by(self, using: str) -> datetime:
        belief = self._belief(using)
        return belief.trusted.carried(time.monotonic()) + min(belief.doubt(), timedelta(0))

    def refresh(self, using: str) -> None:
        asked = time.monotonic()
        at = _read(using)
        arrived = time.monotonic()
        before = self._beliefs.get(using)
        self._beliefs[using] = weigh(before, Reading(at, arrived, arrived - asked))

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(seconds)

    def _belief(self, using: str) -> Belief:
        belief = self._beliefs.get(using)
        if belief is None or time.monotonic() - belief.read_at > REFRESH_SECONDS:
            self.refresh(using)
            belief = self._beliefs[using]
        return belief


def _read(using: str) -> datetime:
    connection = connections[using]
    statement = _NOW_SQL.get(connection.vendor)
    if statement is None:
        # SQLite lives in this process: its clock is the host's.
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        reading: datetime = cursor.fetchone()[0]
    return reading.astimezone(UTC) if reading.tzinfo else reading.replace(tzinfo=UTC)


def host_now() -> datetime:
    """Give what this host's own clock reads; only to tell how far it is off."""
    return datetime.now(UTC)


_clock: Clock = DatabaseClock()


def current() -> Clock:
    """Give the clock in use."""
    return _clock


def use(clock: Clock) -> Clock:
    """Put another clock in use (tests do); give back the one before."""
    global _clock
    previous, _clock = _clock, clock
    return previous


def now(using: str) -> datetime:
    """Give the present instant of database `using` (aware, UTC)."""
    return _clock.now(using)
