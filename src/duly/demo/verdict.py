"""What the demo claims, computed from two logs: what was acknowledged, and what was done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The books of one run; lateness in seconds."""

    acknowledged: int
    fired: int
    lost: int
    phantom: int
    """Effects that nobody had scheduled."""
    early: int
    duplicates: int
    """Effects beyond the first of their key."""
    rescued: int
    """Of the fired: taken over from the process that was killed."""
    on_time: tuple[float, ...]
    """Lateness of those that were not rescued, ascending."""
    late: tuple[float, ...]
    """Lateness of the rescued, ascending."""

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing early, nothing out of nowhere."""
        return not (self.lost or self.early or self.phantom)


def acknowledge(directory: Path, keys: Iterable[str]) -> None:
    """Write down what was scheduled; to be called once the transaction has committed."""
    (directory / "acknowledged.txt").write_text("\n".join(keys), "utf-8")


def acknowledged_in(directory: Path) -> set[str]:
    """Read the keys that were scheduled and committed."""
    return set((directory / "acknowledged.txt").read_text("utf-8").split())


def effects_in(directory: Path) -> list[dict[str, float | str]]:
    """Read what the handlers wrote; a last line cut off by the kill is no effect."""
    effects = []
    for path in sorted(directory.glob("effects-*.jsonl")):
        for line in path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                effects.append(json.loads(line))
    return effects


def judge(
    directory: Path, rescued: Iterable[str], *, clock_ahead: float = 0.0, uncertain: float = 0.0
) -> Verdict:
    """Compare the two logs.

    rescued: keys that were handed to another process after the kill; they are counted
        apart, since their lateness is that of the lease.
    clock_ahead: seconds that the database's clock, by which events are due, reads ahead of
        this host's, by which handlers write their log.
    uncertain: how many seconds that may be off; nothing is early by less.
    """
    acknowledged = acknowledged_in(directory)
    first: dict[str, float] = {}
    times: Counter[str] = Counter()
    early = 0
    for effect in effects_in(directory):
        key = str(effect["key"])
        lateness = float(effect["at"]) + clock_ahead - float(effect["due_at"])
        times[key] += 1
        early += lateness < -uncertain
        first[key] = min(lateness, first.get(key, lateness))
    taken_over = acknowledged & set(rescued) & set(first)
    return Verdict(
        acknowledged=len(acknowledged),
        fired=len(acknowledged & set(first)),
        lost=len(acknowledged - set(first)),
        phantom=len(set(first) - acknowledged),
        early=early,
        duplicates=sum(times.values()) - len(times),
        rescued=len(taken_over),
        on_time=tuple(sorted(late for key, late in first.items() if key not in taken_over)),
        late=tuple(sorted(first[key] for key in taken_over)),
    )


def quantile(ascending: tuple[float, ...], share: float) -> float:
    """Give the smallest value that at least `share` of the values do not exceed."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, max(0, -int(-share * len(ascending) // 1) - 1))]
