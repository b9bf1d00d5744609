"""What was: throughput and lateness of the last hour by minute, and of the last day by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duly.dashboard import charts, words
from duly.dashboard.charts import Cell, Chart, Key, Part
from duly.dashboard.links import rows_url
from duly.store.backlog import MOST_COUNTED
from duly.store.spans import Born, Spans, born

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_NAMES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Window:
    """How far back a chart goes."""

    name: str
    title: str
    step: timedelta
    count: int

    def spans(self, now: datetime) -> Spans:
        """Give its spans; the last is the one that is under way."""
        start = _floor(now, self.step) - (self.count - 1) * self.step
        return Spans(start, self.step, self.count)


LAST_HOUR = Window("hour", "Last hour, by minute", MINUTE, 60)
LAST_DAY = Window("day", "Last day, by hour", HOUR, 24)


def history(using: str, now: datetime, window: Window) -> tuple[Chart, Chart]:
    """Give the charts of throughput and of lateness of a window."""
    spans = window.spans(now)
    found = born(using, spans)
    return _throughput(window, spans, found), _lateness(window, spans, found)


def _throughput(window: Window, spans: Spans, found: Sequence[Born]) -> Chart:
    most = max([1, *(one.count for one in found)])
    dead = [_scaled(one, one.dead) for one in found]
    succeeded = [_scaled(one, one.succeeded) for one in found]
    rest = [
        max(0, one.count - gone - well)
        for one, gone, well in zip(found, dead, succeeded, strict=True)
    ]
    total = sum(one.count for one in found)
    told = [f"{words.minute(one.start)}: {words.count(one.count)}" for one in found]
    return Chart(
        name=f"throughput-{window.name}",
        title=f"Throughput. {window.title}",
        desc=f"{_total(found, total)} taken up by engines; {words.count(most)} at most in one "
        f"{_unit(window)}.",
        top=words.count(most),
        labels=_labels(spans),
        bars=tuple(
            charts.stacked(
                [Part("dead", dead), Part("succeeded", succeeded), Part("open", rest)], told, most
            )
        ),
        keys=(Key("dead", "dead"), Key("succeeded", "succeeded"), Key("open", "neither yet")),
        heads=("Taken up from (UTC)", "Occurrences", "Succeeded", "Dead"),
        rows=[
            [
                Cell(words.at(one.start)),
                Cell(words.count(one.count), _url(one, window)),
                Cell(_of_some(one, one.succeeded)),
                Cell(_of_some(one, one.dead)),
            ]
            for one in reversed(found)
            if one.count
        ],
        is_empty=not total,
    )


def _lateness(window: Window, spans: Spans, found: Sequence[Born]) -> Chart:
    quantiles = [[one.late[n] if one.late else None for one in found] for n in range(len(_NAMES))]
    top = charts.top_of([value for values in quantiles for value in values])
    worst = max((value for value in quantiles[-1] if value is not None), default=None)
    return Chart(
        name=f"lateness-{window.name}",
        title=f"Lateness. {window.title}",
        desc="From the due instant to the first start, on a logarithmic scale: half began within "
        f"p50, 99 of 100 within p99, which was {words.seconds(worst)} at its worst.",
        top=words.seconds(top),
        labels=_labels(spans),
        lines=[
            charts.line(values, top, name) for name, values in zip(_NAMES, quantiles, strict=True)
        ],
        keys=[Key(name, name) for name in _NAMES],
        heads=("Taken up from (UTC)", *_NAMES, "Of"),
        rows=[
            [
                Cell(words.at(one.start)),
                *(Cell(words.seconds(value)) for value in one.late),
                Cell(words.count(one.looked_at), _url(one, window)),
            ]
            for one in reversed(found)
            if one.late
        ],
        is_empty=worst is None,
    )


def _scaled(one: Born, part: int) -> int:
    """Carry a share of those looked at over to all."""
    return round(part * one.count / one.looked_at) if one.looked_at else 0


def _of_some(one: Born, part: int) -> str:
    told = f"{part:,}"
    return told if one.looked_at >= one.count else f"{told} of {one.looked_at:,} looked at"


def _total(found: Sequence[Born], total: int) -> str:
    is_cut = any(one.count >= MOST_COUNTED for one in found)
    return f"{'more than ' if is_cut else ''}{total:,} occurrences"


def _url(one: Born, window: Window) -> str:
    return rows_url("born", start=one.start, end=one.start + window.step)


def _unit(window: Window) -> str:
    return "minute" if window.step == MINUTE else "hour"


def _labels(spans: Spans) -> list[str]:
    middle = spans.start + (spans.end - spans.start) / 2
    return [words.minute(at) for at in (spans.start, middle, spans.end)]


def _floor(at: datetime, step: timedelta) -> datetime:
    began = datetime(1970, 1, 1, tzinfo=UTC)
    return began + (at - began) // step * step
