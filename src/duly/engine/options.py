"""How an engine runs, with the units that its parts compute in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from duly.conf import Config
from duly.policy.notify import Notify

# Claims held until their instant, for each slot: few enough that another engine gets its share.
# Where more than that can start within a horizon, as many more are held; with payloads of the
# largest size they take 64 MB at most.
HELD_PER_SLOT = 8
MOST_HELD = 1000
# One claim: a transaction of this many births takes some 40 ms on PostgreSQL.
LARGEST_BATCH = 500
BEATS_PER_LEASE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What one engine needs to know, in its own units."""

    using: str
    holder: UUID
    """Fresh for every start of a process: never a host name, which comes back."""
    horizon: timedelta
    poll_seconds: float
    lease: timedelta
    grace_seconds: float
    concurrency: int
    async_concurrency: int
    remote_concurrency: int
    listen: bool
    environment: str
    retention: timedelta | None
    """How long what has ended is kept; None: for ever."""
    notify: Notify | None = None
    """Who is told when something fails; None: nobody."""

    @property
    def beat_seconds(self) -> float:
        """Time between two heartbeats."""
        return self.lease.total_seconds() / BEATS_PER_LEASE

    @classmethod
    def of(cls, config: Config) -> EngineOptions:
        """Build the options that the settings ask for."""
        return cls(
            using=config.database,
            holder=uuid4(),
            horizon=timedelta(seconds=config.horizon_seconds),
            poll_seconds=config.poll_seconds,
            lease=timedelta(seconds=config.lease_seconds),
            grace_seconds=config.grace_seconds,
            concurrency=config.concurrency,
            async_concurrency=config.async_concurrency,
            remote_concurrency=config.remote_concurrency,
            listen=config.listen,
            environment=config.environment,
            retention=timedelta(days=config.retention_days) if config.retention_days else None,
            notify=config.notify,
        )
