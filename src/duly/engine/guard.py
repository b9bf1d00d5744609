"""Guard: whether this engine may fire what this database holds, and by whose clock."""

from __future__ import annotations

from datetime import datetime

from duly import clock as clocks
from duly.clock import Clock
from duly.store import stamps
from duly.telemetry import emit

# Further off than this, an engine says so; it fires by the database's clock all the same.
CLOCK_OFFSET_SECONDS = 1.0
CLOCK_CHECK_SECONDS = 60.0


class EnvironmentGuard:
    """Holds an engine whose environment is not the one that is stamped into the database.

    A copy of production, restored on staging, would fire production's events there.
    environment: of this engine; empty for a project that does not say, which is never held.
    """

    def __init__(self, using: str, environment: str) -> None:
        self._using = using
        self._environment = environment
        self._released = not environment
        self._told = False

    def holds(self, now: datetime) -> bool:
        """Say whether the engine must wait; stamps a database that has no stamp yet."""
        if self._released:
            return False
        stamped = stamped_environment(self._using)
        if stamped is None:
            release(self._using, self._environment, now)
        elif stamped != self._environment:
            if not self._told:
                emit("engine.held", environment=self._environment, database=stamped)
                self._told = True
            return True
        self._released = True
        return False


def stamped_environment(using: str) -> str | None:
    """Give the environment that a database is stamped with."""
    data = stamps.read(using, stamps.ENVIRONMENT)
    return None if data is None else str(data.get("name"))


def release(using: str, environment: str, now: datetime) -> None:
    """Stamp a database with an environment, so that its engines fire."""
    stamps.write(using, stamps.ENVIRONMENT, {"name": environment}, now)


class ClockWatch:
    """Compares this host's wall clock with the database's, now and then."""

    def __init__(self, using: str, clock: Clock) -> None:
        self._using = using
        self._clock = clock
        self._check_at = clock.monotonic()
        self.offset_seconds = 0.0
        """How far this host's clock is ahead of the database's."""

    def look(self) -> None:
        """Say so if this host's clock is off by more than a second."""
        if self._clock.monotonic() < self._check_at:
            return
        self._check_at = self._clock.monotonic() + CLOCK_CHECK_SECONDS
        offset = clocks.host_now() - self._clock.now(self._using)
        self.offset_seconds = offset.total_seconds()
        if abs(self.offset_seconds) > CLOCK_OFFSET_SECONDS:
            emit("clock.offset", offset_seconds=round(self.offset_seconds, 3))
