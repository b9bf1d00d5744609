"""Backoff of a loop: how long it waits after a fault before it goes on."""

from __future__ import annotations


class Backoff:
    """Twice as long after each fault in a row.

    first, longest: seconds.
    """

    def __init__(self, first: float = 0.1, longest: float = 2.0) -> None:
        self._first = self.seconds = first
        self._longest = longest

    def failed(self) -> float:
        """Give the seconds to wait now; the next wait is longer."""
        seconds, self.seconds = self.seconds, min(2 * self.seconds, self._longest)
        return seconds

    def worked(self) -> None:
        """Begin with a short wait again."""
        self.seconds = self._first
