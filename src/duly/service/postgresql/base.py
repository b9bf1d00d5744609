"""What Django loads for the ENGINE "duly.service.postgresql"."""

from __future__ import annotations

import select
import time

from django.db.backends.postgresql import base

# Between two requests of a busy service nothing happens to a connection that its socket
# would not tell: no firewall forgets it, no machine wakes up somewhere else.
TRUSTED_SECONDS = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks `SELECT 1` before the first statement of a request only where that may say anything.

    A server that stops, restarts or ends a session says so and closes the connection, which
    makes its socket readable; one that has answered within the last second, and has said
    nothing since, is there. After an error, or a longer silence, it is asked, as Django does.
    """

    _answered_at = float("-inf")

    def is_usable(self) -> bool:
        """Say whether the connection works."""
        now = time.monotonic()
        if now - self._answered_at < TRUSTED_SECONDS and self._is_quiet():
            return True
        is_usable: bool = super().is_usable()
        self._answered_at = now if is_usable else float("-inf")
        return is_usable

    def close(self) -> None:
        """Close the connection; the next one is another."""
        self._answered_at = float("-inf")
        super().close()

    def _is_quiet(self) -> bool:
        if self.connection is None or self.connection.closed or self.errors_occurred:
            return False
        if not hasattr(select, "poll"):
            return False  # Windows.
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0)
