"""What the bench measures, as values; nothing here measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from duly.bench.civil_times import CivilTime
from duly.demo.verdict import Verdict

MOST_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bare limits of the database, and the speed of scheduling on it."""

    round_trip: float
    """Seconds, the median."""
    commits: float
    """Transactions of one small insert, a second, one after the other."""
    scheduled: float
    """Events scheduled a second, one by one, each committed."""
    scheduled_in_bulk: float
    """Events scheduled a second, all in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Civil times against the instants that a computation by hand gives."""

    checked: int
    zones: int
    gaps: int
    overlaps: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Events that were due already when they were scheduled, all at once."""

    events: int
    fired: int
    seconds: float
    """From the commit to the last effect."""
    start: float
    """From the start of the engines until each had fired, in seconds; before the burst."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.fired / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One engine killed while it held events."""

    after: float
    """Seconds after the first due instant."""
    held: int
    """Events that it held when it was killed."""
    exit_codes: tuple[int, ...]
    untold: int
    """Effects that carry no higher attempt than the one before them under their key."""
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What would have needed a hand."""

    dead: int
    parked: int
    stuck: int
    """Due, or begun, and not ended when everything was over."""
    warnings: tuple[str, ...]
    """What `manage.py check --database` says."""
    disagreements: tuple[str, ...]
    """Between the tables and the ledger, or the ledger and its seals."""

    @property
    def hands(self) -> int:
        """How many things a person would have had to look at."""
        found = (self.dead, self.parked, self.stuck, len(self.warnings), len(self.disagreements))
        return sum(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """All of it."""

    limits: Limits
    accuracy: Accuracy
    burst: Burst
    punctual: Verdict
    kill: Kill
    care: Care
    seconds: float
    """How long it took altogether."""


def compare(
    asked: Sequence[CivilTime], stored: Mapping[int, datetime | None], before: Accuracy | None
) -> Accuracy:
    """Compare the instants that were stored with those computed by hand.

    stored: by the index in `asked`. before: what was compared earlier, to be added to.
    """
    wrong = tuple(
        f"{civil} is stored as {stored.get(index)}, by hand {civil.expected}"
        for index, civil in enumerate(asked)
        if stored.get(index) != civil.expected
    )
    kinds = [civil.kind for civil in asked]
    return Accuracy(
        checked=len(asked) + (before.checked if before else 0),
        zones=max(len({civil.zone for civil in asked}), before.zones if before else 0),
        gaps=kinds.count("gap") + (before.gaps if before else 0),
        overlaps=kinds.count("overlap") + (before.overlaps if before else 0),
        wrong=wrong + (before.wrong if before else ()),
    )


def untold_duplicates(effects: Iterable[Mapping[str, float | str]]) -> int:
    """Count the effects whose attempt is no higher than that of one before, under one key."""
    highest: dict[str, float] = {}
    untold = 0
    for effect in sorted(effects, key=lambda effect: float(effect["at"])):
        key, attempt = str(effect["key"]), float(effect["attempt"])
        untold += attempt <= highest.get(key, 0)
        highest[key] = max(attempt, highest.get(key, 0))
    return untold
