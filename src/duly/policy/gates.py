"""What an occurrence has to pass before it begins: breakers, limits and rates.

Decided for a batch at once, over the gates that its occurrences have in common; who is not
let in waits, and no attempt is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from duly.policy.breaker import Breaker, BreakerState
from duly.policy.limits import NO_LIMITS, Limits

# The end of another lets the next one in; this is for an end that nobody could announce, and
# is longer for what waits longer already, so that a backlog of thousands costs little.
SHORTEST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one gate is like."""

    limits: Limits = NO_LIMITS
    breaker: Breaker | None = None


@dataclass(slots=True)
class Gate:
    """One gate while a batch passes it."""

    name: str
    terms: Terms
    breaker: BreakerState
    full_at: datetime | None
    """When the bucket of its rate will be full again; None: it is."""
    under_way: int = 0
    """How many have passed it, and are not over."""
    is_tried: bool = False
    """Whether somebody waits for the very moment at which its target is tried."""

    @property
    def limit(self) -> int | None:
        """How many may be under way; None: any number."""
        found = [self.terms.limits.in_flight, self.breaker.allowed]
        return min((limit for limit in found if limit is not None), default=None)

    @property
    def free(self) -> int | None:
        """How many more may pass it now; None: any number."""
        if self.breaker.is_open:
            return 0
        return None if self.limit is None else max(0, self.limit - self.under_way)

    def keeps_out(self, now: datetime) -> bool:
        """Say whether nobody passes it now."""
        return replace(self, breaker=self.breaker.tried(now)).free == 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an occurrence begins."""

    until: datetime | None = None
    """When it is looked at again; None: it begins."""
    gate: str = ""
    """What it waits for."""
    reason: str = ""
    reserved: frozenset[str] = frozenset()
    """The gates whose tokens it has taken by now, and need not take again."""
    waits_for_token: bool = False
    """Whether there is nothing to wait for but the moment at which it may use them."""
    shut_until: datetime | None = None
    """Until when nobody passes that gate, unless a person opens it; None: somebody may."""


PASSES = Verdict()
NO_ROOM = Verdict()
"""It would pass, and there is nothing to run it yet; nothing has changed."""


def judge(
    gates: Sequence[Gate],
    *,
    due_at: datetime,
    reserved: frozenset[str],
    now: datetime,
    draw: Callable[[], float],
) -> Verdict:
    """Say whether an occurrence passes its gates, and change them as if it had.

    reserved: the gates whose token it has already, from an earlier time.
    draw: returns a float in [0, 1), as `random.random` does.
    """
    for gate in gates:
        gate.breaker = gate.breaker.tried(now)
        if gate.free == 0:
            return replace(_kept_out(gate, due_at, now, draw), reserved=reserved)
    waits = PASSES
    taken = set(reserved)
    for gate in gates:
        rate = gate.terms.limits.bucket
        if rate is not None and gate.name not in reserved:
            usable_at, gate.full_at = rate.take(gate.full_at, now)
            taken.add(gate.name)
            if usable_at > (waits.until or now):
                waits = Verdict(usable_at, gate.name, f"rate {rate}", waits_for_token=True)
    if waits.waits_for_token:
        # Each of them is kept: what waits for one has not used the others.
        return replace(waits, reserved=frozenset(taken))
    for gate in gates:
        gate.under_way += 1
    return PASSES


def waits_until(due_at: datetime, now: datetime, draw: Callable[[], float]) -> datetime:
    """Say when to look again at what nobody has woken by then."""
    wait = max(SHORTEST_WAIT, min((now - due_at) / 2, LONGEST_WAIT))
    return now + wait * (0.5 + draw())


def _kept_out(gate: Gate, due_at: datetime, now: datetime, draw: Callable[[], float]) -> Verdict:
    until = waits_until(due_at, now, draw)
    if not gate.breaker.is_open:
        return Verdict(until, gate.name, f"{gate.limit} under way")
    probe_at = gate.breaker.probe_at
    if probe_at is None:
        return Verdict(until, gate.name, "breaker held open", shut_until=until)
    if not gate.is_tried:
        gate.is_tried = True
        return Verdict(probe_at, gate.name, "breaker open", shut_until=probe_at)
    return Verdict(max(until, probe_at), gate.name, "breaker open", shut_until=probe_at)
