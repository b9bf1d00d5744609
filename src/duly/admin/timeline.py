"""A timeline as one drawing: where each mark goes, and what stands in the table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duly.cli.moments import span_text
from duly.models import ScheduledEvent

WIDTH = 960
LABEL = 200
LANE = 34
TOP = 30
EDGE = 24
TICKS = 5
_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at an instant."""

    at: datetime
    kind: str
    """The status of an occurrence, or coming, or retry."""
    said: str
    occurrence: UUID | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One event, and its marks."""

    event: ScheduledEvent
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Placed:
    """A mark, and where it is drawn."""

    mark: Mark
    x: int
    y: int
    event: ScheduledEvent


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing; its numbers are whole, so that no locale writes them otherwise."""

    width: int
    height: int
    now_x: int
    lanes: list[dict[str, Any]]
    ticks: list[dict[str, Any]]
    placed: list[Placed] = field(default_factory=list)
    """By time: what the table says."""


def drawn(lanes: Sequence[Lane], now: datetime) -> Timeline:
    """Place the marks of all lanes between the first and the last of them, and now."""
    instants = [now, *(mark.at for lane in lanes for mark in lane.marks)]
    start, end = min(instants), max(instants)
    size = max(end - start, _SHORTEST)
    room = WIDTH - LABEL - 2 * EDGE

    def x_of(at: datetime) -> int:
        return LABEL + EDGE + round(room * ((at - start) / size))

    placed: list[Placed] = []
    rows = []
    for number, lane in enumerate(lanes):
        y = TOP + LANE * number + LANE // 2
        rows.append({"event": lane.event, "y": y, "text_y": y + 4, "marks": len(lane.marks)})
        placed += [Placed(mark, x_of(mark.at), y, lane.event) for mark in lane.marks]
    height = TOP + LANE * len(lanes) + 30
    ticks = []
    for number in range(TICKS):
        at = start + size * number / (TICKS - 1)
        ticks.append({"x": x_of(at), "text": span_text(at - now), "y": height - 8})
    by_time = sorted(placed, key=lambda one: one.mark.at)
    return Timeline(WIDTH, height, x_of(now), rows, ticks, by_time)
