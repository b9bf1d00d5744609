"""How often, and after what wait, a failed occurrence is tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from duly.errors import (
    AddressRefused,
    ConfigurationError,
    RequestRefused,
    TargetFailed,
    UnreadablePayload,
)

DEFAULT_ATTEMPTS = 5
# The first retry waits up to 5 s: long enough for a restart of what failed, short
# enough that a reminder is still on time.
DEFAULT_BASE = timedelta(seconds=5)
DEFAULT_CAP = timedelta(hours=1)
# 2 ** 30 times any base is beyond every sensible cap; a larger exponent only overflows.
_MAX_DOUBLINGS = 30

Errors = tuple[type[BaseException], ...]


class Retry(Exception):
    """Exponential backoff with full jitter, up to a number of attempts.

    Given to a handler or an event, it is their policy. Raised by a handler, it fails the
    attempt, and `after` says how long to wait this once: `raise Retry(after=30)`.

    reason: for the ledger, where it is raised.
    attempts: how many attempts in all, 1 or more; 1 means no retry.
    base: upper bound of the first wait, above zero.
    cap: upper bound of every wait, not below `base`.
    retry_on: the exceptions that are worth another attempt; empty: all.
    give_up_on: the exceptions that are not.
    after: the exact wait before the next attempt, where it is raised; a number is seconds.

    The wait after attempt n is drawn evenly from 0 to `min(cap, base * 2 ** (n - 1))`.
    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Raises ConfigurationError when a field cannot work.
    """

    def __init__(  # noqa: PLR0913 - each a keyword
        self,
        reason: str = "",
        *,
        attempts: int = DEFAULT_ATTEMPTS,
        base: timedelta = DEFAULT_BASE,
        cap: timedelta = DEFAULT_CAP,
        retry_on: type[BaseException] | Errors = (),
        give_up_on: type[BaseException] | Errors = (),
        after: timedelta | float | None = None,
    ) -> None:
        super().__init__(reason)
        self.attempts = _checked_attempts(attempts)
        self.base, self.cap = _checked_waits(base, cap)
        self.retry_on = _checked_errors("retry_on", retry_on)
        self.give_up_on = _checked_errors("give_up_on", give_up_on)
        self.after = None if after is None else span("after", after)

    def __repr__(self) -> str:
        return f"Retry(attempts={self.attempts}, base={self.base}, cap={self.cap})"

    def wait_after(self, attempt: int, draw: Callable[[], float]) -> timedelta:
        """Give the wait between attempt number `attempt` and the next.

        draw: returns a float in [0, 1), as `random.random` does.
        """
        doublings = min(attempt - 1, _MAX_DOUBLINGS)
        most: timedelta = min(self.cap, self.base * 2**doublings)
        return most * draw()

    def gives_up_on(self, error: BaseException) -> bool:
        """Say whether an exception is not worth another attempt."""
        hopeless = (GiveUp, RequestRefused, AddressRefused, UnreadablePayload)
        if isinstance(error, (*hopeless, *self.give_up_on)):
            return True
        worth_it = (*self.retry_on, Retry, TargetFailed)
        return bool(self.retry_on) and not isinstance(error, worth_it)


class GiveUp(Exception):
    """Raised by a handler: this occurrence is dead, and no attempt will change that.

    reason: for the ledger.
    """


class Snooze(Exception):
    """Raised by a handler: not yet. The occurrence waits, and no attempt is spent.

    after: how long it waits; a number is seconds. until: an aware instant, instead.
    reason: for the ledger.

    Raises ConfigurationError unless exactly one of both is given.
    """

    def __init__(
        self,
        after: timedelta | float | None = None,
        *,
        until: datetime | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(reason)
        if (after is None) == (until is None):
            raise ConfigurationError("Snooze takes either after= or until=")
        if until is not None and until.utcoffset() is None:
            raise ConfigurationError(f"until must be an aware instant, got {until!r}")
        self.after = None if after is None else span("after", after)
        self.until = until


def span(name: str, value: timedelta | float) -> timedelta:
    """Give a span of time, a number being seconds. Raises ConfigurationError below zero."""
    if isinstance(value, bool) or not isinstance(value, (timedelta, int, float)):
        raise ConfigurationError(f"{name} must be a timedelta or seconds, got {value!r:.60}")
    try:
        found = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ConfigurationError(f"{name} must be a span of time, got {value!r}") from None
    if found < timedelta(0):
        raise ConfigurationError(f"{name} must not be below zero, got {value}")
    return found


def _checked_attempts(attempts: Any) -> int:
    if isinstance(attempts, bool) or not isinstance(attempts, int):
        raise ConfigurationError(f"attempts must be a whole number, got {attempts!r}")
    if attempts < 1:
        raise ConfigurationError(f"attempts must be 1 or more, got {attempts}")
    return attempts


def _checked_waits(base: Any, cap: Any) -> tuple[timedelta, timedelta]:
    for name, value in (("base", base), ("cap", cap)):
        if not isinstance(value, timedelta):
            raise ConfigurationError(f"{name} must be a timedelta, got {value!r}")
    if base <= timedelta(0):
        raise ConfigurationError(f"base must be above zero, got {base}")
    if cap < base:
        raise ConfigurationError(f"cap must not be below base {base}, got {cap}")
    return base, cap


def _checked_errors(name: str, errors: Any) -> Errors:
    found = errors if isinstance(errors, tuple) else (errors,)
    for error in found:
        if not isinstance(error, type) or not issubclass(error, BaseException):
            raise ConfigurationError(f"{name} must hold exception classes, got {error!r:.60}")
    return found
