"""What is to come within a day, by the quarter of an hour: a storm shows before it is there."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from statistics import median

from duly.dashboard import charts, words
from duly.dashboard.charts import Cell, Chart, Key, Part
from duly.dashboard.expansion import expansion
from duly.dashboard.history import Window
from duly.dashboard.links import rows_url
from duly.store.backlog import MOST_COUNTED
from duly.store.spans import load

NEXT_DAY = Window("coming", "Next 24 hours, by the quarter of an hour", timedelta(minutes=15), 96)
# Every minute of a day; what fires more often says little about when it is crowded.
MOST_OF_ONE = 1_440
# A crowd of a thousand is a minute's work for an engine of sixteen threads and a slow target.
LEAST_STORM = 1_000
STORM_RATIO = 5


def coming(using: str, now: datetime) -> Chart:
    """Give the chart of the next 24 hours, from the quarter of an hour that is under way."""
    past = NEXT_DAY.spans(now)
    spans = type(past)(past.end - past.step, past.step, past.count)
    stored = load(using, spans)
    found = expansion(using, spans.start, spans.end, MOST_OF_ONE)
    starts = spans.starts()
    added = [0] * spans.count
    for at in found.firings:
        added[bisect_right(starts, at) - 1] += 1
    totals = [one + more for one, more in zip(stored, added, strict=True)]
    most = max([1, *totals])
    usual = median(totals)
    storms = [n for n, one in enumerate(totals) if one >= max(LEAST_STORM, STORM_RATIO * usual)]
    is_storm = [n in storms for n in range(spans.count)]
    told = [
        f"{words.minute(at)}: {words.count(one)}" for at, one in zip(starts, totals, strict=True)
    ]
    parts = [
        Part("coming", [0 if storm else one for one, storm in zip(stored, is_storm, strict=True)]),
        Part("storm", [one if storm else 0 for one, storm in zip(stored, is_storm, strict=True)]),
        Part("added", added),
    ]
    total = sum(totals)
    notes = [
        f"Storm: {words.count(totals[n])} due from {words.at(starts[n])} UTC, within "
        f"{words.span(spans.step)}."
        for n in storms[:5]
    ]
    is_cut = any(one >= MOST_COUNTED for one in stored)
    return Chart(
        name="coming",
        title=NEXT_DAY.title,
        desc=f"{'More than ' if is_cut else ''}{total:,} firings to come, "
        f"{words.count(most)} at most within a quarter of an hour.",
        top=words.count(most),
        labels=[words.minute(at) for at in (spans.start, starts[spans.count // 2], spans.end)],
        bars=tuple(charts.stacked(parts, told, most)),
        keys=(
            Key("coming", "next firings"),
            Key("added", "firings after these, by rules"),
            Key("storm", "a storm"),
        ),
        heads=("Due from (UTC)", "Stored", "By rules, further on"),
        rows=[
            [
                Cell(words.at(at)),
                Cell(words.count(one), rows_url("coming", start=at, end=at + spans.step)),
                Cell(f"{more:,}"),
            ]
            for at, one, more in zip(starts, stored, added, strict=True)
            if one or more
        ],
        notes=[*notes, *found.notes],
        is_empty=not total,
    )
