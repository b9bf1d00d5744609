"""How large everything is: as published, or in miniature for CI."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts of events, and seconds."""

    burst: int = 20_000
    burst_seconds: float = 300.0
    """After which a backlog that has not ended is a failure."""
    per_second: float = 100.0
    """Of punctuality and of the pooler."""
    seconds: float = 60.0
    stored: tuple[int, ...] = (0, 100_000, 1_000_000, 10_000_000)
    steady_per_second: float = 50.0
    steady_seconds: float = 20.0
    notices: int = 5
    """Events that are scheduled for a second from now."""
    idle_seconds: float = 10.0
    one_by_one: int = 2_000
    bulk: int = 50_000
    rules: int = 100_000
    rules_interval: float = 100.0
    recurring_seconds: float = 20.0
    snapshot_per_second: float = 200.0
    snapshot_seconds: float = 120.0
    snapshot_step: float = 10.0
    sustained_per_minute: int = 10_000
    sustained_minutes: float = 10.0
    sustained_stored: int = 1_000_000
    grace_seconds: float = 30.0
    """How long after the last due instant firings are waited for."""
    settle_seconds: float = 1.0
    """How much longer than usual processes are given to start; below 0: less."""
    is_miniature: bool = False
    """Only duly and its limit outside of the burst, and nobody must be ready in time."""


FULL = Sizes()
SMALL = Sizes(
    burst=200,
    burst_seconds=30.0,
    per_second=20.0,
    seconds=1.0,
    stored=(2_000,),
    steady_per_second=20.0,
    steady_seconds=1.0,
    notices=1,
    idle_seconds=0.5,
    one_by_one=20,
    bulk=200,
    rules=100,
    rules_interval=5.0,
    recurring_seconds=1.0,
    snapshot_per_second=20.0,
    snapshot_seconds=2.0,
    snapshot_step=1.0,
    sustained_per_minute=1_200,
    sustained_minutes=0.02,
    sustained_stored=2_000,
    grace_seconds=15.0,
    settle_seconds=-5.5,
    is_miniature=True,
)
