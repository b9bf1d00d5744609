"""What the two logs say: what was acknowledged, and what had an effect."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

# Clocks of one machine, read by two processes one after the other.
CLOCK_SECONDS = 0.001
NEVER_FAIL = frozenset({"plain", "steady", "slow", "leaky", "civil"})
ENDS = frozenset({"succeeded", "died", "skipped", "cancelled"})
OUTCOMES = frozenset({"succeeded", "retried", "died", "snoozed"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was broken, from when to when."""

    name: str
    begun: float
    healed: float
    reach: frozenset[str] | None = None
    """The events that it can delay; None: any."""

    def reaches(self, key: str) -> bool:
        """Say whether it can delay what has this idempotency key."""
        return self.reach is None or key.partition(":")[0] in self.reach


@dataclass(slots=True)
class Verdict:
    """What was found; a campaign passes where every list of violations is empty."""

    acknowledged: int = 0
    effects: int = 0
    lost: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    phantoms: list[str] = field(default_factory=list)
    after_cancel: list[str] = field(default_factory=list)
    unmarked_duplicates: list[str] = field(default_factory=list)
    unexplained_duplicates: list[str] = field(default_factory=list)
    """Attempts after the first, of handlers that never fail, with no fault to explain them."""
    atomic_duplicates: list[str] = field(default_factory=list)
    ledger_disagrees: list[str] = field(default_factory=list)
    fence_broken: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    marked_duplicates: int = 0
    """Effects beyond the first of a key, each under a higher attempt number."""
    recovery: dict[str, float] = field(default_factory=dict)
    """Per kind of fault: seconds from its end to the last effect that it had delayed."""
    quiet_lateness: list[float] = field(default_factory=list)
    """Seconds, of first effects due while nothing was broken, nor just before."""

    @property
    def violations(self) -> dict[str, int]:
        """Count what must not be."""
        names = (
            "lost",
            "early",
            "phantoms",
            "after_cancel",
            "unmarked_duplicates",
            "unexplained_duplicates",
            "atomic_duplicates",
            "ledger_disagrees",
            "fence_broken",
            "unfinished",
            "late",
        )
        return {name: len(getattr(self, name)) for name in names}

    @property
    def passed(self) -> bool:
        """Whether enough was judged, and nothing was wrong."""
        return self.acknowledged > 0 and not any(self.violations.values())


def judge(
    acks: Iterable[dict[str, Any]],
    effects: Iterable[dict[str, Any]],
    atomic: Iterable[tuple[str, int, float]],
    faults: Sequence[Fault],
    *,
    bound: float,
    missed_after: float = 0.0,
) -> Verdict:
    """Compare what was acknowledged with what had an effect.

    atomic: (key, attempt, at) of effects in duly's database.
    bound: seconds within which an effect follows its due instant, or the end of whatever
        fault lay between.
    missed_after: what a broker has lost is missed after so many times as long as it was late
        when it was handed over, which may have been at the end of the fault.
    """
    verdict = Verdict()
    due: dict[str, float] = {}
    types: dict[str, str] = {}
    maybe: set[str] = set()
    cancelled: dict[str, float] = {}
    for ack in acks:
        if ack["op"] == "schedule":
            due[ack["key"]], types[ack["key"]] = ack["due"], ack["type"]
        elif ack["op"] == "cancel":
            cancelled[ack["key"]] = ack["at"]
        elif ack["op"] == "unsure":
            # The connection broke under the call: it may have been done, or not.
            maybe.add(ack["event_id"])
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for effect in effects:
        by_key[effect["key"]].append(effect)
    for key, attempt, at in atomic:
        by_key[key].append({"key": key, "attempt": attempt, "at": at, "type": "atomic"})
    verdict.acknowledged = len(due)
    verdict.effects = sum(map(len, by_key.values()))
    _judge_acknowledged(verdict, due, types, cancelled, by_key, faults, (bound, missed_after))
    deaths = [one["at"] for found in by_key.values() for one in found if one["type"] == "deadly"]
    for key, found in by_key.items():
        windows = [(one.begun, one.healed + bound) for one in faults if one.reaches(key)]
        windows += [(at, at + bound) for at in deaths]
        if found[0]["type"] in NEVER_FAIL:
            _judge_explained(verdict, key, sorted(one["at"] for one in found), windows)
        if key not in due and key.partition(":")[0] not in maybe:
            verdict.phantoms.append(key)
        _judge_duplicates(verdict, key, found)
    return verdict


def _judge_acknowledged(
    verdict: Verdict,
    due: dict[str, float],
    types: dict[str, str],
    cancelled: dict[str, float],
    by_key: dict[str, list[dict[str, Any]]],
    faults: Sequence[Fault],
    bounds: tuple[float, float],
) -> None:
    bound, missed_after = bounds
    for key, due_at in due.items():
        found = by_key.get(key, [])
        if key in cancelled:
            verdict.after_cancel += [key for one in found if one["at"] > cancelled[key]]
            continue
        if not found:
            verdict.lost.append(f"{types[key]} {key}")
            continue
        first = min(one["at"] for one in found)
        if first < due_at - CLOCK_SECONDS:
            verdict.early.append(f"{key} by {due_at - first:.3f} s")
        reaching = [fault for fault in faults if fault.reaches(key)]
        between = [fault for fault in reaching if fault.begun <= first and fault.healed >= due_at]
        healed = max([due_at, *(fault.healed for fault in between)])
        if first > healed + bound + missed_after * (healed - due_at):
            verdict.late.append(f"{types[key]} {key} by {first - due_at:.1f} s")
        if between:
            last = max(between, key=lambda fault: fault.healed).name
            verdict.recovery[last] = max(verdict.recovery.get(last, 0.0), first - healed)
        elif not any(0 <= due_at - fault.healed <= bound for fault in reaching):
            verdict.quiet_lateness.append(first - due_at)


def _judge_explained(
    verdict: Verdict, key: str, ats: Sequence[float], windows: Sequence[tuple[float, float]]
) -> None:
    for earlier, later in pairwise(ats):
        if not any(begun <= later and ended >= earlier for begun, ended in windows):
            verdict.unexplained_duplicates.append(f"{key} after {later - earlier:.2f} s")


def broken_fences(facts: Iterable[tuple[str, str, int | None]]) -> list[str]:
    """Find attempts that began out of turn, and outcomes of those that did not hold any more.

    facts: (occurrence, fact, attempt), in the order of the ledger.
    """
    holds: dict[str, int | None] = {}
    ended: set[str] = set()
    broken = []
    for occurrence, fact, attempt in facts:
        if fact == "replayed":
            ended.discard(occurrence)
        if fact in ENDS:
            ended.add(occurrence)
        if fact == "started":
            if occurrence in ended:
                broken.append(f"{occurrence}: attempt {attempt} began after the end")
            elif attempt is not None and attempt <= (holds.get(occurrence) or 0):
                broken.append(f"{occurrence}: attempt {attempt} began after a later one")
            holds[occurrence] = attempt
        elif fact in OUTCOMES and attempt != holds.get(occurrence):
            broken.append(f"{occurrence}: attempt {attempt} {fact}, {holds.get(occurrence)} held")
    return broken


def _judge_duplicates(verdict: Verdict, key: str, found: list[dict[str, Any]]) -> None:
    attempts = Counter(one["attempt"] for one in found)
    if any(count > 1 for count in attempts.values()):
        verdict.unmarked_duplicates.append(key)
    if len(found) > 1 and found[0]["type"] == "atomic":
        verdict.atomic_duplicates.append(key)
    verdict.marked_duplicates += len(attempts) - 1
