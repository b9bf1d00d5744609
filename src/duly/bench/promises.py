"""The five promises, and whether the measurements keep them: pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from duly.bench.measurements import Burst, Kill, Measurements
from duly.bench.options import RATE
from duly.demo.verdict import Verdict

MINUTE, AIM = 60.0, 0.1
PUNCTUAL_SHARE = 0.999
HOUR = 3600.0
THRESHOLDS = (
    ("1,000/hour", 1_000 / HOUR),
    ("10,000/hour", 10_000 / HOUR),
    ("10,000/minute", RATE),
)


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, and what was measured of it."""

    number: int
    name: str
    promised: str
    measured: str
    kept: bool


def promises(found: Measurements) -> tuple[Promise, ...]:
    """Say of each promise whether it was kept."""
    return (
        _punctual(found.punctual),
        _nothing_lost(found),
        _accurate(found),
        _careless(found),
        _fast(found),
    )


def share_within(verdict: Verdict, seconds: float) -> float:
    """Give the share of the acknowledged events that fired so soon after their instant."""
    if not verdict.acknowledged:
        return 0.0
    late = verdict.on_time + verdict.late
    return sum(lateness <= seconds for lateness in late) / verdict.acknowledged


def _punctual(verdict: Verdict) -> Promise:
    minute, aim = share_within(verdict, MINUTE), share_within(verdict, AIM)
    return Promise(
        1,
        "punctual",
        "99.9 % within 1 min",
        f"{minute:.3%} within 1 min, {aim:.2%} within 100 ms",
        minute >= PUNCTUAL_SHARE and not verdict.early,
    )


def _nothing_lost(found: Measurements) -> Promise:
    kill, punctual = found.kill, found.punctual
    acknowledged = kill.verdict.acknowledged + punctual.acknowledged
    lost = kill.verdict.lost + punctual.lost
    duplicates = kill.verdict.duplicates + punctual.duplicates
    told = f", {kill.untold} not told apart" if kill.untold else ""
    return Promise(
        2,
        "nothing lost",
        "0 lost, one engine killed",
        f"{lost} lost of {acknowledged}, {duplicates} fired again{told}; "
        f"{kill.verdict.rescued} taken over",
        kill.verdict.passed and punctual.passed and not kill.untold and _as_planned(kill),
    )


def _as_planned(kill: Kill) -> bool:
    """Say whether it was a kill at all: of an engine that held events, and of no other."""
    killed = [code for code in kill.exit_codes if code]
    return kill.held > 0 and killed == [-signal.SIGKILL]


def _accurate(found: Measurements) -> Promise:
    accuracy = found.accuracy
    return Promise(
        3,
        "time zones",
        "100 % accurate",
        f"{len(accuracy.wrong)} wrong of {accuracy.checked} civil times in "
        f"{accuracy.zones} zones, {accuracy.gaps} in gaps, {accuracy.overlaps} in overlaps",
        accuracy.checked > 0 and not accuracy.wrong,
    )


def _careless(found: Measurements) -> Promise:
    care = found.care
    # A week cannot be measured in minutes; what can is how often a hand was needed.
    return Promise(
        4,
        "care",
        "under 2 h a week",
        f"{care.hands} manual steps in {found.seconds / MINUTE:.1f} min: {care.dead} dead, "
        f"{care.parked} parked, {care.stuck} stuck, {len(care.warnings)} warnings, "
        f"{len(care.disagreements)} in the ledger",
        care.hands == 0,
    )


def _fast(found: Measurements) -> Promise:
    burst = found.burst
    reached = [name for name, rate in THRESHOLDS if burst.rate >= rate]
    return Promise(
        5,
        "throughput",
        "1,000/h, 10,000/h, 10,000/min",
        f"{burst.rate:,.0f}/s, {times_the_most(burst):.1f} times 10,000/min",
        len(reached) == len(THRESHOLDS) and burst.fired == burst.events,
    )


def times_the_most(burst: Burst) -> float:
    """Say how many times 10,000 a minute the burst was."""
    return burst.rate / RATE
