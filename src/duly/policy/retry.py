"""How often, and after what wait, a failed occurrence is tried again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from duly.errors import ConfigurationError

DEFAULT_ATTEMPTS = 5
# The first retry waits up to 5 s: long enough for a restart of what failed, short
# enough that a reminder is still on time.
DEFAULT_BASE = timedelta(seconds=5)
DEFAULT_CAP = timedelta(hours=1)
# 2 ** 30 times any base is beyond every sensible cap; a larger exponent only overflows.
_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff with full jitter, up to a number of attempts.

    The wait after attempt n is drawn evenly from 0 to `min(cap, base * 2 ** (n - 1))`.
    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Raises ConfigurationError when a field cannot work.
    """

    attempts: int = DEFAULT_ATTEMPTS
    """How many attempts in all, 1 or more; 1 means no retry."""

    base: timedelta = DEFAULT_BASE
    """Upper bound of the first wait, above zero."""

    cap: timedelta = DEFAULT_CAP
    """Upper bound of every wait, not below `base`."""

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):
            raise ConfigurationError(f"attempts must be a whole number, got {self.attempts!r}")
        if self.attempts < 1:
            raise ConfigurationError(f"attempts must be 1 or more, got {self.attempts}")
        for name in ("base", "cap"):
            value = getattr(self, name)
            if not isinstance(value, timedelta):
                raise ConfigurationError(f"{name} must be a timedelta, got {value!r}")
        if self.base <= timedelta(0):
            raise ConfigurationError(f"base must be above zero, got {self.base}")
        if self.cap < self.base:
            raise ConfigurationError(f"cap must not be below base {self.base}, got {self.cap}")

    def wait_after(self, attempt: int, draw: Callable[[], float]) -> timedelta:
        """Give the wait between attempt number `attempt` and the next.

        draw: returns a float in [0, 1), as `random.random` does.
        """
        doublings = min(attempt - 1, _MAX_DOUBLINGS)
        most: timedelta = min(self.cap, self.base * 2**doublings)
        return most * draw()
