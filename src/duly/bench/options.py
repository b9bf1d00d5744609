"""How long the bench takes, on which database, and how that is divided among its phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from duly.errors import ConfigurationError

FULL_SECONDS: Final = 180.0
QUICK_SECONDS: Final = 30.0
# Below it no phase is long enough to say anything.
LEAST_SECONDS: Final = 6.0
# The largest of the thresholds: 10,000 a minute.
RATE: Final = 10_000 / 60
# One is killed, one takes over.
LEAST_ENGINES: Final = 2
MOST_ENGINES: Final = 64
# SQLite has one writer: as many events as take about as long as PostgreSQL's.
BURST: Final = {"postgresql": 10_000, "sqlite": 2_000}
LEAST_BURST: Final = 100
# An engine reads each zone in use when it starts; more than there are, and a sample.
MOST_ZONES: Final = 10_000
SHORT_ZONES: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """How large the bench is. Raises ConfigurationError for what cannot be."""

    seconds: float = FULL_SECONDS
    """About how long all of it may take, 6 or more; the phases scale with it."""
    events: int | None = None
    """How many come due at once in the burst, 1 or more; None: by database and `seconds`."""
    engines: int = LEAST_ENGINES
    """How many engine processes, 2 to 64."""
    database_url: str | None = None
    """An empty database to run on; None makes one beside the configured one."""
    json: bool = False
    """Print data instead of text."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.seconds) or self.seconds < LEAST_SECONDS:
            raise ConfigurationError(
                f"--seconds must be {LEAST_SECONDS:g} or more, got {self.seconds:g}"
            )
        if self.events is not None and self.events < 1:
            raise ConfigurationError(f"--events must be 1 or more, got {self.events}")
        if not LEAST_ENGINES <= self.engines <= MOST_ENGINES:
            raise ConfigurationError(
                f"--engines must be {LEAST_ENGINES} to {MOST_ENGINES} (one is killed, one "
                f"takes over), got {self.engines}"
            )

    @property
    def probe_seconds(self) -> float:
        """How long each bare limit of the database is measured."""
        return self.seconds / 90

    @property
    def punctual_seconds(self) -> float:
        """Over how long the events of the punctuality run are spread."""
        return self.seconds / 3

    @property
    def kill_seconds(self) -> float:
        """Over how long the events are spread among which an engine is killed."""
        return max(2.0, self.seconds / 18)

    @property
    def patience_seconds(self) -> float:
        """How long a phase waits for what is still missing."""
        return max(20.0, self.seconds / 4)

    @property
    def years(self) -> int:
        """How far ahead clock changes are looked for."""
        return 1 if self.is_short else 2

    @property
    def is_short(self) -> bool:
        """Whether engines are spared the reading of every zone, seconds for each process."""
        return self.seconds < FULL_SECONDS

    @property
    def firing_zones(self) -> int:
        """In how many zones the events of the punctuality run are, at most."""
        return SHORT_ZONES if self.is_short else MOST_ZONES

    def burst_on(self, vendor: str) -> int:
        """Say how many events come due at once on a kind of database."""
        if self.events is not None:
            return self.events
        return max(LEAST_BURST, round(BURST[vendor] * min(1.0, self.seconds / FULL_SECONDS)))
