"""Charts as numbers: where bars stand and lines run. Templates draw them as SVG.

The drawing has no text, so that it may be stretched to any width; its axes are HTML beside it,
and its numbers are a table beneath it, which is what screen readers are told of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 600.0, 120.0
# Of a place, what a bar leaves free on its right.
_GAP = 0.2
_EDGE = 2.0
# What is quicker than this, nobody waits for.
LEAST_SECONDS = 0.01
_MARKS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where its upper left corner is, and how large it is."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    """The class that says its colour."""
    told: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line, broken where nothing is known."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a colour stands for."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table beneath a chart."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart and its table."""

    name: str
    """Unique on the page."""
    title: str
    desc: str
    """What there is to be seen, in a sentence."""
    top: str
    """What the upper end means."""
    labels: Sequence[str]
    """Below it, from left to right."""
    bars: Sequence[Bar] = ()
    lines: Sequence[Line] = ()
    keys: Sequence[Key] = ()
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    notes: Sequence[str] = ()
    is_empty: bool = field(default=False)

    @property
    def width(self) -> float:
        """How wide the drawing is, in its own units."""
        return WIDTH

    @property
    def height(self) -> float:
        """How high the drawing is, in its own units."""
        return HEIGHT


@dataclass(frozen=True, slots=True)
class Part:
    """The values of one kind, at each place."""

    kind: str
    values: Sequence[int]


def stacked(parts: Sequence[Part], told: Sequence[str], most: int) -> Iterator[Bar]:
    """Put bars one upon the other at each place; `most` reaches the upper end."""
    place = WIDTH / max(1, len(told))
    for n, text in enumerate(told):
        bottom = HEIGHT
        for part in parts:
            if part.values[n] <= 0:
                continue
            # What there is, is to be seen.
            height = max(1.0, part.values[n] / max(1, most) * HEIGHT)
            bottom = max(0.0, bottom - height)
            yield Bar(
                round(n * place, 2),
                round(bottom, 2),
                round(place * (1 - _GAP), 2),
                round(height, 2),
                part.kind,
                text,
            )


def line(values: Sequence[float | None], top: float, kind: str) -> Line:
    """Draw seconds on a logarithmic scale from LEAST_SECONDS to `top`."""
    place = WIDTH / max(1, len(values))
    path, pen_is_down = [], False
    for n, value in enumerate(values):
        if value is None:
            pen_is_down = False
            continue
        # Not upon the edges, where half of it would be cut off.
        y = _EDGE + (HEIGHT - 2 * _EDGE) * (1 - _height(value, top))
        # A step, so that a lone value is to be seen as well.
        path.append(f"{'L' if pen_is_down else 'M'}{n * place:.1f} {y:.1f}H{(n + 1) * place:.1f}")
        pen_is_down = True
    return Line(" ".join(path), kind)


def top_of(values: Sequence[float | None]) -> float:
    """Give the first mark of the scale that all values stay below."""
    largest = max((value for value in values if value is not None), default=0.0)
    return next((mark for mark in _MARKS[2:] if mark >= largest), largest)


def _height(value: float, top: float) -> float:
    value = min(max(value, LEAST_SECONDS), top)
    return math.log(value / LEAST_SECONDS) / math.log(top / LEAST_SECONDS)
