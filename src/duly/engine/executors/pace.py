"""How far ahead of free threads attempts are started, by how long handlers take.

A start is a write to the database, and costs nearly as much for one attempt as for a hundred.
Handlers of a millisecond would wait for it; those of a second must not: what is started and
waits could have been run by another engine.
"""

from __future__ import annotations

# Measured with handlers that do nothing: docs/adr/0012-begun-with-its-birth.md.
AHEAD_SECONDS = 0.05
MOST_AHEAD = 400
_SAMPLE_SECONDS = 0.02
# Older than this, how long handlers took says nothing of those that run now.
_STALE_SECONDS = 1.0
_SHORTEST_SECONDS = 1e-4


class Pace:
    """Remembers how long the last handlers took; not for several threads at once."""

    def __init__(self, threads: int, monotonic: float) -> None:
        self._threads = threads
        self._sampled_at = monotonic
        self._ended = 0
        self._seconds = 0.0
        self._ahead = 0

    def ended(self, seconds: float) -> None:
        """Count a handler that took so long."""
        self._ended += 1
        self._seconds += seconds

    def ahead(self, monotonic: float) -> int:
        """Say how many will have ended within AHEAD_SECONDS, if all threads are busy.

        Threads divided by the mean time of a handler is how many end in a second (Little's law).
        """
        elapsed = monotonic - self._sampled_at
        if elapsed < _SAMPLE_SECONDS or (not self._ended and elapsed < _STALE_SECONDS):
            return self._ahead
        self._ahead = 0
        if self._ended:
            mean = max(self._seconds / self._ended, _SHORTEST_SECONDS)
            self._ahead = min(MOST_AHEAD, round(self._threads * AHEAD_SECONDS / mean))
        self._sampled_at, self._ended, self._seconds = monotonic, 0, 0.0
        return self._ahead
