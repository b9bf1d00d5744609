"""The days of months on which a rule fires, and on which the clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from duly.civil.instants import Instant, WallTime
from duly.civil.resolve import offset_text, resolve_checked
from duly.civil.rules import Rule
from duly.civil.tzdata import Transition, Zone
from duly.civil.zones import get_zone

_TICK = timedelta(microseconds=1)
_DECEMBER = 12


@dataclass(frozen=True, slots=True)
class Months:
    """Some months in a row, as a rule sees them."""

    first: date
    """The first day of the first month."""
    end: date
    """The first day of the month after the last."""
    firing_days: tuple[date, ...]
    """Local dates with at least one firing."""
    clock_changes: tuple[Transition, ...]
    zone: str

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "first": self.first.isoformat(),
            "end": self.end.isoformat(),
            "zone": self.zone,
            "firing_days": [day.isoformat() for day in self.firing_days],
            "clock_changes": [
                {
                    "at": change.at.isoformat(),
                    "date": changed_on(change).isoformat(),
                    "offset_before": offset_text(change.offset_before),
                    "offset_after": offset_text(change.offset_after),
                }
                for change in self.clock_changes
            ],
        }


def months_of(rule: Rule, after: Instant, *, months: int) -> Months:
    """Mark the days of the month that an instant lies in, and of those that follow.

    after: firings up to it are left out, though their days are shown.
    """
    zone = get_zone(rule.zone)
    first = zone.wall_time_at(after).date().replace(day=1)
    end = _months_later(first, months)
    begun, ended = _midnight(zone, first), _midnight(zone, end)
    return Months(
        first,
        end,
        tuple(_firing_days(rule, zone, after, end)),
        zone.transitions(Instant(begun - _TICK), Instant(ended - _TICK)),
        zone.name,
    )


def changed_on(change: Transition) -> date:
    """Give the local date on which the clocks are changed."""
    return (change.wall_time_before - _TICK).date()


def _firing_days(rule: Rule, zone: Zone, after: Instant, end: date) -> Iterator[date]:
    # One question for each day, however often it fires there.
    due = rule.next(after)
    last: date | None = None
    while due is not None:
        day = zone.wall_time_at(due.at).date()
        if day >= end:
            return
        if day != last:
            yield day
        last = day
        due = rule.next(max(due.at, Instant(_midnight(zone, day + timedelta(days=1)) - _TICK)))


def _midnight(zone: Zone, day: date) -> Instant:
    """Give the first instant of a local date."""
    midnight = WallTime(datetime.combine(day, time(0)))
    return resolve_checked(midnight, zone, "next_valid", "first")[0].at


def _months_later(first: date, count: int) -> date:
    index = first.year * _DECEMBER + first.month - 1 + count
    return date(index // _DECEMBER, index % _DECEMBER + 1, 1)
