"""The only reader of a clock.

The database's clock has authority: every process that shares a database shares its
time, whatever the clocks of their hosts say. It is read now and then; in between, time
is carried forward on the monotonic clock, which no administrator and no NTP step moves.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import connections

# A reading older than this is taken again: quartz drifts some 50 us a second at worst,
# so a carried reading is off by less than a millisecond.
REFRESH_SECONDS = 10.0

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

    def refresh(self, using: str) -> timedelta:
        """Read the database's clock; say how far it was from what was expected."""
        ...

    def monotonic(self) -> float:
        """Give seconds on a clock that only moves forward."""
        ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on `condition`, which the caller holds, for at most `seconds`."""
        ...


class DatabaseClock:
    """The database's time, carried between readings on the monotonic clock."""

    def __init__(self) -> None:
        self._anchors: dict[str, tuple[datetime, float]] = {}

    def now(self, using: str) -> datetime:
        anchor = self._anchors.get(using)
        if anchor is None or time.monotonic() - anchor[1] > REFRESH_SECONDS:
            self.refresh(using)
            anchor = self._anchors[using]
        return anchor[0] + timedelta(seconds=time.monotonic() - anchor[1])

    def refresh(self, using: str) -> timedelta:
        before = self._anchors.get(using)
        reading = _read(using)
        # Anchored after the answer came: the estimate is late by part of a round trip,
        # and therefore never early.
        arrived = time.monotonic()
        self._anchors[using] = (reading, arrived)
        if before is None:
            return timedelta(0)
        return reading - (before[0] + timedelta(seconds=arrived - before[1]))

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        condition.wait(seconds)


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
