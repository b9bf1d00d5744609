"""The firings of an event around now: those to come and those that were, marked and in zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duly import scheduling
from duly.admin import cells
from duly.civil.instants import Instant, as_instant
from duly.civil.preview import Firing, marked
from duly.civil.rules import Rule
from duly.errors import DulyError
from duly.models import Occurrence, ScheduledEvent
from duly.store.rows import stored_due

SHOWN = 10
_OCCURRENCE = ("id", "due_at", "wall_time", "zone", "resolution", "status", "attempt", "error")


@dataclass(frozen=True, slots=True)
class Shown:
    """One firing as a table shows it."""

    at: datetime
    times: list[dict[str, Any]]
    mark: str
    """What the clocks did since the firing before; empty mostly."""
    occurrence: Occurrence | None = None


def zones_of(event: ScheduledEvent, viewer: str) -> list[tuple[str, str]]:
    """Give whose zones there are, each zone once, in the order in which they matter."""
    found: dict[str, str] = {}
    for whose, zone in (
        ("event", event.execution_timezone),
        ("user", event.user_timezone),
        ("resource", event.resource_timezone),
        ("you", viewer),
        ("UTC", "UTC"),
    ):
        if zone:
            found[zone] = f"{found[zone]}, {whose}" if zone in found else whose
    return [(whose, zone) for zone, whose in found.items()]


def to_come(event: ScheduledEvent, rule: Rule | None, zones: list[tuple[str, str]]) -> list[Shown]:
    """Give the next firings; of an event that is not scheduled, none."""
    if rule is None or event.next_at is None:
        return []
    after = Instant(event.next_at - datetime.resolution)
    try:
        # Those that are left out are not firings.
        found = scheduling.preview(rule, SHOWN + len(event.exceptions), after=after)
    except DulyError:
        return []
    kept = [one for one in found if one.due.at.isoformat() not in event.exceptions]
    return [_shown(one, zones) for one in kept[:SHOWN]]


def that_were(using: str, event: ScheduledEvent, zones: list[tuple[str, str]]) -> list[Shown]:
    """Give the last firings, the latest first, with what came of each."""
    rows = Occurrence.objects.using(using).filter(event_id=event.pk).only(*_OCCURRENCE)
    found = list(rows.order_by("-due_at")[:SHOWN])
    ascending = found[::-1]
    dues = [stored_due(one.due_at, _wall(one), one.zone, one.resolution) for one in ascending]
    try:
        marks: Sequence[Firing] = marked(dues)
    except DulyError:
        # Its zone is not in the data of now: what happened is shown all the same.
        return [Shown(one.due_at, cells.in_zones(one.due_at, zones), "", one) for one in found]
    shown = [_shown(firing, zones, one) for firing, one in zip(marks, ascending, strict=True)]
    return shown[::-1]


def previewed(rule: Rule, zones: list[tuple[str, str]], now: datetime) -> list[Shown]:
    """Give the next firings of a rule that is being typed. Raises what the rule raises."""
    return [_shown(one, zones) for one in scheduling.preview(rule, SHOWN, after=as_instant(now))]


def _shown(
    firing: Firing, zones: list[tuple[str, str]], occurrence: Occurrence | None = None
) -> Shown:
    at = firing.due.at
    return Shown(at, cells.in_zones(at, zones), firing.clock_change, occurrence)


def _wall(one: Occurrence) -> datetime:
    assert one.wall_time is not None
    return one.wall_time
