"""Firings to come that no row stands for yet: those of recurring rules after the next one.

An event is stored with its next due instant alone. Of those that come up first, the rules are
followed further, a bounded number of steps; how far that went is said beside the charts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.db.models.fields.json import KT

from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.errors import DulyError
from duly.models import ScheduledEvent

# Some 10 ms of reading.
MOST_LOOKED_AT = 1_000
MOST_FOLLOWED = 200
# Some 20 ms of computing.
MOST_FIRINGS = 1_000


@dataclass(frozen=True, slots=True)
class Expansion:
    """What rules add in a window to what is stored."""

    firings: list[datetime]
    looked_at: int
    """How many of the events due soonest were looked at."""
    is_whole: bool
    """Whether these are all that are due in the window."""
    recurring: int
    """How many of them recur, and were followed to the end of the window."""
    too_often: int
    """How many fire more often than can be drawn; of these the next firing alone is counted."""
    left_out: int
    """How many were not followed, because the others took all the steps."""

    @property
    def notes(self) -> list[str]:
        """Say what was counted, and what was not."""
        found = [
            f"Each event counts with its next firing; {self.recurring:,} recurring "
            f"{'one was' if self.recurring == 1 else 'ones were'} followed further, which adds "
            f"{len(self.firings):,} firings."
        ]
        if not self.is_whole:
            found.append(
                f"Only the {self.looked_at:,} events due soonest were looked at for rules that "
                "recur; those of later ones add to this."
            )
        if self.too_often:
            found.append(f"{self.too_often:,} that fire very often count with the next alone.")
        if self.left_out:
            found.append(f"{self.left_out:,} recurring events were not followed.")
        return found


def expansion(using: str, start: datetime, end: datetime, most_of_one: int) -> Expansion:
    """Follow the rules of the events that are due soonest in [start, end) to its end.

    most_of_one: an event that fires more often is not followed at all.
    """
    rows = ScheduledEvent.objects.using(using).filter(next_at__gte=start, next_at__lt=end)
    # Not the rules of them all: reading these would take longer than all the rest.
    kinds = rows.order_by("next_at").values_list("pk", KT("rule__kind"))
    found = list(kinds[: MOST_LOOKED_AT + 1])
    # The second pass of an overlap is a firing more, and too rare to be looked for.
    recurring = [id_ for id_, kind in found[:MOST_LOOKED_AT] if kind != "at"]
    firings: list[datetime] = []
    followed = too_often = left_out = 0
    for next_at, rule, exceptions in _rules(using, recurring[:MOST_FOLLOWED]):
        if len(firings) >= MOST_FIRINGS:
            left_out += 1
            continue
        try:
            later = list(islice(_after(next_at, rule, exceptions, end), most_of_one + 1))
        except DulyError:
            # Its zone or its rule cannot be read here: the doctor says so, and engines do.
            left_out += 1
            continue
        if len(later) > most_of_one:
            too_often += 1
        else:
            followed += 1
            firings += later
    left_out += max(0, len(recurring) - MOST_FOLLOWED)
    is_whole = len(found) <= MOST_LOOKED_AT
    looked_at = min(len(found), MOST_LOOKED_AT)
    return Expansion(firings, looked_at, is_whole, followed, too_often, left_out)


def _rules(using: str, ids: Sequence[UUID]) -> list[tuple[datetime, object, list[str]]]:
    if not ids:
        return []
    rows = ScheduledEvent.objects.using(using).filter(pk__in=ids, next_at__isnull=False)
    columns = rows.order_by("next_at").values_list("next_at", "rule", "exceptions")
    return [(at, rule, exceptions) for at, rule, exceptions in columns if at is not None]


def _after(
    next_at: datetime, rule: object, exceptions: Collection[str], end: datetime
) -> Iterator[datetime]:
    read = rule_from_json(rule)
    due = read.next(Instant(next_at))
    while due is not None and due.at < end:
        if due.at.isoformat() not in exceptions:
            yield due.at
        due = read.next(due.at)
