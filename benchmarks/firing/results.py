"""What was measured: values by name, of every round; and the tables that are made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import report

Values = dict[str, float]
BASIS = "duly"


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a table, as it is shown."""

    value: str
    """Its name in the values."""
    title: str
    """With the unit."""
    has_ratio: bool = False
    """Whether the ratio to duly's is shown beside it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of a table: somebody, in some circumstances."""

    contender: str
    detail: str
    measure: Callable[[], Values]


@dataclass(slots=True)
class Row:
    """What the rounds of a case gave."""

    contender: str
    detail: str
    rounds: list[Values] = field(default_factory=list)
    failure: str = ""

    @property
    def label(self) -> str:
        return f"{self.contender}, {self.detail}" if self.detail else self.contender

    def middle(self, value: str) -> float | None:
        """Give the median over the rounds; None where nothing was measured."""
        found = [values[value] for values in self.rounds if value in values]
        return median(found) if found else None


@dataclass(slots=True)
class Outcome:
    """A scenario that was run."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: list[Row]
    left_out: dict[str, str]
    """Why somebody is not in the table."""

    def markdown(self) -> str:
        """Set it as a heading, a table, and what is to be said beneath it."""
        header = [self.title, *(column.title for column in self.columns)]
        cells = [
            [row.label, *(self._cell(row, column) for column in self.columns)] for row in self.rows
        ]
        notes = [
            f"- {row.label} failed: {row.failure.splitlines()[0]}"
            for row in self.rows
            if row.failure
        ]
        notes += [f"- {name} left out: {why}" for name, why in self.left_out.items()]
        text = f"## {self.name}\n\n" + report.table(header, cells, markdown=True)
        return text + ("\n\n" + "\n".join(notes) if notes else "")

    def to_json(self) -> dict[str, Any]:
        """Give all of it, every round's values included."""
        return {
            "title": self.title,
            "rows": [
                {
                    "contender": row.contender,
                    "detail": row.detail,
                    "rounds": row.rounds,
                    "failure": row.failure,
                }
                for row in self.rows
            ],
            "left_out": self.left_out,
        }

    def _cell(self, row: Row, column: Column) -> str:
        found = [values[column.value] for values in row.rounds if column.value in values]
        if not found:
            return ""
        text = short(median(found))
        if len(found) > 1:
            text += f" ({short(min(found))}–{short(max(found))})"
        ratio = self._ratio(row, column.value) if column.has_ratio else None
        return text if ratio is None else f"{text} ×{ratio:.2f}"

    def _ratio(self, row: Row, value: str) -> float | None:
        """Divide by what duly has in the same circumstances, or else in its first row."""
        ours = [other for other in self.rows if other.contender == BASIS]
        like = [other for other in ours if other.detail == row.detail] or ours
        if not like or like[0] is row:
            return None
        basis, own = like[0].middle(value), row.middle(value)
        return own / basis if basis and own is not None else None


def short(number: float) -> str:
    """Set a number in about three digits."""
    if number == 0 or math.isnan(number):
        return "0" if number == 0 else "–"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
