"""Batches: occurrences of one event type that its handler gets together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from duly.errors import ConfigurationError
from duly.policy.retry import span

# As many as are claimed at once.
LARGEST = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """How a handler's occurrences are gathered.

    Its handler is called with a list, oldest due first. What it raises fails all of them; to
    fail some, it returns a dict of their ids and the exception of each. Every occurrence keeps
    an attempt, a lease and an outcome of its own, and is retried by itself.
    """

    most: int
    within: timedelta
    """How long the first waits for others."""


def batch_of(
    name: str, most: int | None, within: timedelta | float, *, is_plain: bool
) -> Batch | None:
    """Read the arguments of a handler. Raises ConfigurationError."""
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int) or not 2 <= most <= LARGEST:
        raise ConfigurationError(
            f"batch of handler {name!r} must be a whole number from 2 to {LARGEST}, got {most!r}"
        )
    if not is_plain:
        raise ConfigurationError(
            f"handler {name!r} takes batches: it must be a plain function, and not atomic"
        )
    return Batch(most, span("within", within))
