"""The circuit breaker: stop asking a target that fails, try one, and let the rest in slowly.

Source: Michael Nygard, "Release It!", 2nd edition, 5.2 "Circuit Breaker".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from duly.errors import ConfigurationError

# How many may be under way after as many successes: from there on the target counts as well.
RECOVERED = 64


class BreakerStatus(StrEnum):
    """Whether a target is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not."""
    HALF_OPEN = "half_open"
    """It is tried: one at first, and twice as many with each success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a breaker opens, and for how long.

    Raises ConfigurationError naming the field that cannot work.
    """

    failures: int = 5
    """It opens after so many failures in a row."""
    share: float = 0.5
    """It opens as well when so large a share of a window's results are failures: (0, 1]."""
    least: int = 20
    """A share of fewer results than this says nothing."""
    window: timedelta = timedelta(seconds=60)
    """How long results are counted together."""
    open_for: timedelta = timedelta(seconds=30)
    """How long it stays open before the target is tried; twice as long each time that fails."""
    open_cap: timedelta = timedelta(minutes=5)
    """It is tried at least this often."""

    def __post_init__(self) -> None:
        for name in ("failures", "least"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    f"{name} of a breaker must be a whole number from 1 on, got {value!r:.60}"
                )
        share = self.share
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ConfigurationError(
                f"share of a breaker must be above 0, and 1 at most, got {share!r:.60}"
            )
        for name in ("window", "open_for", "open_cap"):
            value = getattr(self, name)
            if not isinstance(value, timedelta) or value <= timedelta(0):
                raise ConfigurationError(
                    f"{name} of a breaker must be a timedelta above zero, got {value!r:.60}"
                )
        if self.open_cap < self.open_for:
            raise ConfigurationError(
                f"open_cap of a breaker must not be below its open_for {self.open_for}, "
                f"got {self.open_cap}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What is known of one target."""

    status: BreakerStatus = BreakerStatus.CLOSED
    in_row: int = 0
    """Failures since the last success."""
    window_at: datetime | None = None
    """When the present window began."""
    succeeded: int = 0
    """Within it."""
    failed: int = 0
    """Within it."""
    openings: int = 0
    """How often it has opened since the target was well."""
    probe_at: datetime | None = None
    """When the target is tried; None while it is open: not before a person closes it."""
    allowed: int | None = None
    """While half open: how many may be under way."""

    @property
    def is_open(self) -> bool:
        """Whether its target is not asked."""
        return self.status is BreakerStatus.OPEN

    def counted(self, breaker: Breaker, results: Iterable[bool], now: datetime) -> BreakerState:
        """Give the state after results, in their order; True: the target answered as it should."""
        state = self
        for succeeded in results:
            state = state._after(breaker, succeeded, now)
        return state

    def tried(self, now: datetime) -> BreakerState:
        """Give the state in which a target whose time has come is tried."""
        is_time = self.probe_at is not None and self.probe_at <= now
        if self.status is not BreakerStatus.OPEN or not is_time:
            return self
        return replace(self, status=BreakerStatus.HALF_OPEN, allowed=1)

    def opened(self, breaker: Breaker, now: datetime) -> BreakerState:
        """Give the state in which it is not asked."""
        doubled = breaker.open_for * 2 ** min(self.openings, 30)
        return BreakerState(
            status=BreakerStatus.OPEN,
            openings=self.openings + 1,
            probe_at=now + min(doubled, breaker.open_cap),
        )

    def _after(self, breaker: Breaker, succeeded: bool, now: datetime) -> BreakerState:
        match self.status:
            case BreakerStatus.OPEN:
                # Begun before it opened: too late to say anything.
                return self
            case BreakerStatus.HALF_OPEN if not succeeded:
                return self.opened(breaker, now)
            case BreakerStatus.HALF_OPEN:
                allowed = 2 * (self.allowed or 1)
                return BreakerState() if allowed > RECOVERED else replace(self, allowed=allowed)
        state = self._in_window(breaker, now)
        if succeeded:
            return replace(state, in_row=0, succeeded=state.succeeded + 1)
        state = replace(state, in_row=state.in_row + 1, failed=state.failed + 1)
        total = state.failed + state.succeeded
        too_many = total >= breaker.least and state.failed >= breaker.share * total
        return state.opened(breaker, now) if state.in_row >= breaker.failures or too_many else state

    def _in_window(self, breaker: Breaker, now: datetime) -> BreakerState:
        if self.window_at is not None and now < self.window_at + breaker.window:
            return self
        return replace(self, window_at=now, succeeded=0, failed=0)


HELD_OPEN = BreakerState(status=BreakerStatus.OPEN)
"""Opened by hand, until it is closed by hand."""
