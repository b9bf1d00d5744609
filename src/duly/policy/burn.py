"""How fast an error budget burns, over two windows at once.

Of an objective of 99.9 % a thousandth may be late; at a rate of 1 that is used up just when its
month ends. A long window says that it matters, a short one that it still goes on.
Source: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

SLOT = timedelta(minutes=5)
# Fewer say nothing: one late firing of ten a day is a tenth, and no trend.
LEAST_LATE = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """How many of what was born in five minutes began late."""

    start: datetime
    total: int
    late: int


@dataclass(frozen=True, slots=True)
class Pace:
    """From which rate on it is told of."""

    name: str
    long: timedelta
    short: timedelta
    rate: float


PACES = (
    # Two hundredths of a month's budget in an hour; five in six hours.
    Pace("fast", timedelta(hours=1), timedelta(minutes=5), 14.4),
    Pace("slow", timedelta(hours=6), timedelta(minutes=30), 6.0),
)
LONGEST = max(pace.long for pace in PACES)


@dataclass(frozen=True, slots=True)
class Burn:
    """The error budget burns."""

    pace: Pace
    late: int
    """In the long window."""
    total: int
    rate: float
    """How many times too fast."""


def burning(
    slots: Iterable[Slot], now: datetime, objective: float, *, overdue: int = 0
) -> Burn | None:
    """Say whether it burns; the fast pace first. None: it does not.

    overdue: what is late already, and has not begun.
    """
    slots = list(slots)
    for pace in PACES:
        late, total = _counted(slots, now - pace.long, overdue)
        rate = _rate(late, total, objective)
        lately, of_them = _counted(slots, now - pace.short - SLOT, overdue)
        is_going_on = _rate(lately, of_them, objective) >= pace.rate
        if late >= LEAST_LATE and rate >= pace.rate and is_going_on:
            return Burn(pace, late, total, rate)
    return None


def _counted(slots: Iterable[Slot], since: datetime, overdue: int) -> tuple[int, int]:
    counted = [slot for slot in slots if slot.start >= since]
    late = sum(slot.late for slot in counted) + overdue
    return late, sum(slot.total for slot in counted) + overdue


def _rate(late: int, total: int, objective: float) -> float:
    return late / total / (1 - objective) if total else 0.0
