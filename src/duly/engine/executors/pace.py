"""How far ahead of free threads attempts are started, by the pace at which they end.

A start is a write to the database, and costs nearly as much for one attempt as for a hundred.
Handlers of a millisecond would wait for it; those of a second must not: what is started and
waits could have been run by another engine, and is an attempt spent if this one is killed.
"""

from __future__ import annotations

# Measured with handlers that do nothing: docs/adr/0012-started-ahead.md.
AHEAD_SECONDS = 0.05
MOST_AHEAD = 400
_SAMPLE_SECONDS = 0.02


class Pace:
    """Counts what ends, and says how many attempts end within AHEAD_SECONDS."""

    def __init__(self, monotonic: float) -> None:
        self._sampled_at = monotonic
        self._ended = 0
        self._ahead = 0

    def ended(self) -> None:
        """Count one; not for several threads at once."""
        self._ended += 1

    def ahead(self, monotonic: float) -> int:
        """Say how many more than there are threads may be started."""
        elapsed = monotonic - self._sampled_at
        if elapsed >= _SAMPLE_SECONDS:
            self._ahead = min(MOST_AHEAD, int(self._ended / elapsed * AHEAD_SECONDS))
            self._sampled_at, self._ended = monotonic, 0
        return self._ahead
