"""Guard: whether this engine may fire what this database holds, and by whose clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from duly import clock as clocks
from duly.clock import Clock, Reading
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
    """Tells when this host's clock is off, and when the database's is doubted."""

    def __init__(self, using: str, clock: Clock, lease: timedelta) -> None:
        self._using = using
        self._clock = clock
        self._settle_seconds = clocks.CONFIRM_SECONDS + lease.total_seconds()
        self._check_at = self._judge_at = clock.monotonic()
        self._before: Reading | None = None
        self._doubt_seconds = 0.0
        self.offset_seconds = 0.0
        """How far this host's clock is ahead of the database's."""

    def look(self) -> None:
        """Compare the clocks; asks nobody, as long as the database's has just been read."""
        now, at = self._clock.now(self._using), self._clock.monotonic()
        self._look_at_database(now, at)
        self._look_at_host(now, at)

    def trusts_leases(self) -> bool:
        """Say whether a lease that ran out means that its holder is dead.

        Processes come to believe another time one after the other, and what they promised
        by the old one must not be judged by the new one before all have promised anew.
        """
        return self._clock.monotonic() >= self._judge_at

    def _look_at_database(self, now: datetime, at: float) -> None:
        expected = self._before.carried(at) if self._before else now
        doubt = self._clock.doubt(self._using).total_seconds()
        if doubt and abs(doubt - self._doubt_seconds) > clocks.JUMP_SECONDS:
            emit("clock.jumped", offset_seconds=round(doubt, 3))
        elif self._doubt_seconds and not doubt:
            emit("clock.settled", offset_seconds=round((now - expected).total_seconds(), 3))
        if doubt or self._doubt_seconds:
            self._judge_at = at + self._settle_seconds
        self._before, self._doubt_seconds = Reading(now, at), doubt

    def _look_at_host(self, now: datetime, at: float) -> None:
        offset = (clocks.host_now() - now).total_seconds()
        has_stepped = abs(offset - self.offset_seconds) > CLOCK_OFFSET_SECONDS
        if at < self._check_at and not has_stepped:
            return
        self._check_at = at + CLOCK_CHECK_SECONDS
        self.offset_seconds = offset
        if abs(offset) > CLOCK_OFFSET_SECONDS:
            emit("clock.offset", offset_seconds=round(offset, 3))
