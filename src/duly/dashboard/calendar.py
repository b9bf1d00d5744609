"""The days to come: how much is due on each, and where the clocks of zones in use change."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from duly.civil.resolve import offset_text
from duly.civil.tzdata import Transition
from duly.civil.zones import get_zone
from duly.dashboard import words
from duly.dashboard.expansion import Expansion, expansion
from duly.dashboard.links import rows_url
from duly.errors import UnknownZone
from duly.store.backends import open_store
from duly.store.spans import Spans, load

DAY, WEEK = timedelta(days=1), 7
# A quarter of a year: in most of these, the clocks of half the world change.
WEEKS = 13
# Four times a day, and a little.
MOST_OF_ONE = 400
SHADES = 5
MOST_NAMED = 3
# Of each of ninety days; ten thousand of each would take 150 ms.
MOST_OF_DAY = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """Clocks that change at one instant, all by as much."""

    at: datetime
    text: str
    zones: str
    """All of them."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day in UTC."""

    day: date
    is_over: bool
    """It is before today, and there to fill its week."""
    count: str = ""
    told: str = ""
    shade: int = 0
    """0 (nothing) to SHADES."""
    url: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weeks of days, the first of which has today."""

    weeks: tuple[tuple[Day, ...], ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


def calendar(using: str, now: datetime) -> Calendar:
    """Give the calendar of the weeks to come."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - today.weekday() * DAY
    spans = Spans(today, DAY, (monday + WEEKS * WEEK * DAY - today).days)
    found = expansion(using, max(today, now), spans.end, MOST_OF_ONE)
    counts = _counts(using, spans, found)
    marks = _changes(using, today, spans.end)
    most = max(counts)
    days = [Day((monday + n * DAY).date(), is_over=True) for n in range(today.weekday())]
    for start, count in zip(spans.starts(), counts, strict=True):
        changes = tuple(one for one in marks if start <= one.at < start + DAY)
        days.append(
            Day(
                start.date(),
                is_over=False,
                count=words.short_count(count, MOST_OF_DAY),
                told=words.count(count, MOST_OF_DAY),
                shade=_shade(count, most),
                url=rows_url("coming", start=start, end=start + DAY),
                changes=changes,
            )
        )
    weeks = tuple(tuple(days[n : n + WEEK]) for n in range(0, len(days), WEEK))
    return Calendar(weeks, tuple(marks), tuple(found.notes))


def _counts(using: str, spans: Spans, found: Expansion) -> list[int]:
    counts = load(using, spans, MOST_OF_DAY)
    starts = spans.starts()
    for at in found.firings:
        counts[bisect_right(starts, at) - 1] += 1
    return counts


def _shade(count: int, most: int) -> int:
    return 0 if count == 0 else max(1, -(-SHADES * count // most))


def _changes(using: str, start: datetime, end: datetime) -> list[Change]:
    """Find the changes of the clocks of all zones in use, those of one instant together."""
    together: defaultdict[tuple[datetime, timedelta], list[tuple[str, Transition]]]
    together = defaultdict(list)
    for name in sorted({one.zone for one in open_store(using).zones_in_use()}):
        try:
            zone = get_zone(name)
        except UnknownZone:
            continue
        for change in zone.transitions(start - datetime.resolution, end - datetime.resolution):
            together[change.at, change.change].append((name, change))
    return [_told(at, together[at, by]) for at, by in sorted(together)]


def _told(at: datetime, found: Sequence[tuple[str, Transition]]) -> Change:
    names = [name for name, _ in found]
    more = len(names) - MOST_NAMED
    named = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    change = found[0][1]
    local = (at + change.offset_before).replace(tzinfo=None)
    way = "forward" if change.kind == "gap" else "back"
    text = (
        f"{named}: clocks {way} {offset_text(abs(change.change))[1:]} on {local:%Y-%m-%d at %H:%M}"
    )
    return Change(at, text, ", ".join(names))
