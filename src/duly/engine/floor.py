"""From which instant on a look at an index begins.

An index keeps the entries of rows that have moved on until no snapshot sees them any more: while
some other client's transaction stays open for minutes, each look would go through all that has
fired since. So a look begins a little before where the last one ended. What comes due before that
all the same (scheduled after its own instant, or taken by an engine that died with it) is found by
the notification that tells of it, and at the latest by a full look, now and then.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

# Longer than a transaction that schedules something for its own moment takes to commit.
MARGIN = timedelta(seconds=10)
FULL_LOOK_SECONDS = 5.0
# A notification may stand for others, which come a moment later.
HEARD_SECONDS = 0.2


class Floor:
    """Remembers how far an index has been gone through."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._full_look_at = 0.0
        self._heard: datetime | None = None
        self._heard_at = 0.0
        self._lock = threading.Lock()

    def since(self, monotonic: float) -> datetime | None:
        """Give the instant to look from, or None for a full look."""
        with self._lock:
            if self._since is None or monotonic >= self._full_look_at:
                return None
            return self._since if self._heard is None else min(self._since, self._heard)

    def reached(self, at: datetime, since: datetime | None, monotonic: float) -> None:
        """Say that a look which began at `monotonic`, from `since` on, left nothing before `at`.

        What others have locked counts as theirs. A look that could not take all that it found
        says how far it came, or nothing at all: then the next one begins where it did.
        """
        with self._lock:
            self._since = at
            if since is None:
                self._full_look_at = max(self._full_look_at, monotonic + FULL_LOOK_SECONDS)
            if self._heard is not None and monotonic - self._heard_at >= HEARD_SECONDS:
                self._heard = None

    def heard_of(self, due_at: datetime | None, monotonic: float) -> None:
        """Look from `due_at` on until that has been done; None: from the beginning."""
        with self._lock:
            if due_at is None:
                self._full_look_at = monotonic
                return
            self._heard = due_at if self._heard is None else min(self._heard, due_at)
            self._heard_at = monotonic
