"""What a campaign is to do, and what came of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.campaign.brokers import BrokerName
from tests.faults.campaign.celery_injections import MAY_MISS
from tests.faults.campaign.judge import Fault, Verdict
from tests.faults.campaign.site import LEASE_SECONDS

# An effect follows the end of a fault within a lease and a second, and a retry's wait.
BOUND_SECONDS = LEASE_SECONDS + 1.0
# With Celery: a publisher and a worker wait some seconds each before they try the broker again.
# What was late when it was handed over, and is lost, the judge gives longer.
CELERY_BOUND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be done."""

    seed: int
    events: int
    faults: int
    seconds: float
    database: str
    only: list[str] | None = None
    """Names of the faults to draw from; None: all."""
    bound: float = BOUND_SECONDS
    broker: BrokerName | None = None
    """Where engines hand over to workers of Celery; None: they run everything themselves."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    verdict: Verdict
    faults: list[Fault]
    kill_points: Counter[str]
    possible: frozenset[str]
    """The kinds of fault that this machine allows."""
    left_out: dict[str, str]
    """What could not be broken on this machine, each with its reason."""
    bites: Counter[str] = field(default_factory=Counter)
    """Of faults that may miss: how often they are known to have struck."""
    messages: Counter[str] = field(default_factory=Counter)
    """What engines and workers said of their messages."""

    @property
    def broken(self) -> frozenset[str]:
        """The kinds of fault that there were."""
        return frozenset(fault.name for fault in self.faults)

    @property
    def unproven(self) -> frozenset[str]:
        """The kinds of fault of which nothing shows that they struck."""
        return frozenset(name for name in self.broken & MAY_MISS if not self.bites[name])

    @property
    def word(self) -> str:
        """PASS, FAIL, or UNKNOWN where what was found to be whole may never have been hit."""
        if not self.verdict.passed:
            return "FAIL"
        return "UNKNOWN" if self.unproven else "PASS"


def told(campaign: Campaign, outcome: Outcome) -> str:
    """Say what came of it, in lines."""
    verdict = outcome.verdict
    on = f"{campaign.database} and {campaign.broker}" if campaign.broker else campaign.database
    lines = [
        f"seed {campaign.seed}, {on}: {verdict.acknowledged} occurrences acknowledged, "
        f"{verdict.effects} effects, {len(outcome.faults)} faults",
        f"faults: {json.dumps(Counter(fault.name for fault in outcome.faults))}",
        f"killed at: {json.dumps(outcome.kill_points)}",
        f"violations: {json.dumps(verdict.violations)}",
        f"marked duplicates: {verdict.marked_duplicates}",
        "slowest recovery, seconds after the end of a fault: "
        + ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(verdict.recovery.items())),
        *(f"left out: {what}: {reason}" for what, reason in outcome.left_out.items()),
    ]
    if campaign.broker:
        lines += [
            f"known to have struck: {json.dumps(outcome.bites)}",
            f"messages: {json.dumps(outcome.messages)}",
            *(f"unknown: nothing shows that {name} struck" for name in outcome.unproven),
        ]
    quiet = sorted(verdict.quiet_lateness)
    if quiet:
        middle, high = quiet[len(quiet) // 2], quiet[int(len(quiet) * 0.99)]
        lines.append(f"lateness while nothing was broken: p50 {middle:.4f} s, p99 {high:.4f} s")
    for name in verdict.violations:
        lines += [f"{name}: {one}" for one in getattr(verdict, name)[:5]]
    if not verdict.passed:
        lines += [
            f"{_clock(fault.begun)} to {_clock(fault.healed)} {fault.name}"
            for fault in sorted(outcome.faults, key=lambda fault: fault.begun)
        ]
    return "\n".join([*lines, outcome.word])


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-5]
