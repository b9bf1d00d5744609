"""Months as grids of days, with firings and clock changes marked."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Sequence
from datetime import date
from itertools import zip_longest

from duly.civil.cron_words import MONTH_NAMES
from duly.civil.months import Months, changed_on
from duly.civil.resolve import offset_text
from duly.civil.tzdata import Transition
from duly.cli.tables import bold, dim, visible

# Each day takes four columns: "[29]" fires, "<29>" has a clock change, "<29]" has both.
_HEADS = (" Mo ", " Tu ", " We ", " Th ", " Fr ", " Sa ", " Su ")
_WIDTH = 4 * len(_HEADS)
_GAP = "   "
_IN_A_ROW = 3
LEGEND = "[29] fires   <29> clocks change   <29] both"


def view(months: Months) -> str:
    """Draw the months, one above the other or three side by side, and name the clock changes."""
    grids = [_grid(months, first) for first in _firsts(months)]
    rows = [grids[start : start + _IN_A_ROW] for start in range(0, len(grids), _IN_A_ROW)]
    blocks = []
    for row in rows:
        lines = zip_longest(*row, fillvalue=" " * _WIDTH)
        blocks.append("\n".join(_GAP.join(line).rstrip() for line in lines))
    return "\n\n".join([*blocks, "\n".join([dim(LEGEND), *_changes(months)])])


def _firsts(months: Months) -> Sequence[date]:
    found, day = [], months.first
    while day < months.end:
        found.append(day)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return found


def _grid(months: Months, first: date) -> list[str]:
    fires = set(months.firing_days)
    changes = {changed_on(change) for change in months.clock_changes}
    title = f"{MONTH_NAMES[first.month - 1]} {first.year}".center(_WIDTH)
    lines = [bold(title), dim("".join(_HEADS))]
    for week in Calendar().monthdatescalendar(first.year, first.month):
        cells = (_cell(day, day in fires, day in changes, day.month == first.month) for day in week)
        lines.append("".join(cells))
    return lines


def _cell(day: date, fires: bool, changes: bool, shown: bool) -> str:
    if not shown:
        return " " * 4
    number = f"{day.day:2}"
    if fires and changes:
        return bold(f"<{number}]")
    if fires:
        return bold(f"[{number}]")
    return f"<{number}>" if changes else f" {number} "


def _changes(months: Months) -> list[str]:
    if not months.clock_changes:
        return [f"The clocks of {months.zone} do not change in these months."]
    return [visible(_change(change)) for change in months.clock_changes]


def _change(change: Transition) -> str:
    way = "forward" if change.kind == "gap" else "back"
    return (
        f"{changed_on(change):%Y-%m-%d}: clocks {way} from {change.wall_time_before:%H:%M} to "
        f"{change.wall_time_after:%H:%M}, UTC{offset_text(change.offset_before)} to "
        f"UTC{offset_text(change.offset_after)}"
    )
