"""The truth about local clocks: offsets by the `whenever` library, and plain arithmetic.

Neither duly nor any peer is asked, and `whenever` reads the data with a parser of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import whenever

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2028, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

FOLDER = Path(str(files("tzdata").joinpath("zoneinfo")))
whenever.reset_tzpath([str(FOLDER)])


@dataclass(frozen=True)
class Change:
    """An instant at which the clocks of a zone are changed."""

    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def length(self) -> timedelta:
        return abs(self.after - self.before)

    @property
    def low(self) -> datetime:
        """The first local time that is skipped, or read twice."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def high(self) -> datetime:
        """The first local time past those that are skipped, or read twice."""
        return self.low + self.length


@dataclass(frozen=True)
class Slot:
    """One firing that must be: at one of some instants, or, in a gap, within a span."""

    instants: tuple[datetime, ...]
    until: datetime | None = None


def names() -> list[str]:
    """Give every zone of the tzdata package."""
    text = (FOLDER.parent / "zones").read_text("utf-8")
    return sorted(text.split())


def offset(zone: str, at: datetime) -> timedelta:
    """Give the UTC offset of a zone at an instant."""
    zoned = whenever.Instant.from_timestamp(int(at.timestamp())).to_tz(zone)
    return timedelta(seconds=zoned.offset.total("seconds"))


def changes(zone: str) -> tuple[Change, ...]:
    """Find every change of the offset in the years looked at."""
    found = []
    at, before = FIRST - SECOND, offset(zone, FIRST - SECOND)
    while at < END - SECOND:
        following = min(at + DAY, END - SECOND)
        after = offset(zone, following)
        if before != after:
            found.append(Change(zone, _between(zone, at, following), before, after))
        at, before = following, after
    return tuple(found)


def _between(zone: str, low: datetime, high: datetime) -> datetime:
    before = offset(zone, low)
    while high - low > SECOND:
        middle = low + (high - low) // (2 * SECOND) * SECOND
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return high


def distinct(zones: list[str]) -> dict[str, list[str]]:
    """Give the zones whose clocks change, each with all that change exactly as it does.

    Of those that are alike the first is given that is not an old name of another.
    """
    alike: dict[tuple[tuple[datetime, timedelta, timedelta], ...], list[str]] = {}
    for zone in zones:
        if found := changes(zone):
            key = tuple((change.at, change.before, change.after) for change in found)
            alike.setdefault(key, []).append(zone)
    links = _links()
    return {min(same, key=lambda zone: (zone in links, zone)): same for same in alike.values()}


def _links() -> set[str]:
    """Read which names are old ones, or share another's data."""
    lines = (FOLDER / "tzdata.zi").read_text("utf-8").splitlines()
    return {line.split()[2] for line in lines if line.startswith("L ")}


def daily_slots(zone: str, at: time, start: datetime, end: datetime) -> list[Slot]:
    """Give one slot for each local day: exactly one firing, in gaps and overlaps too."""
    days = range((end - start) // DAY + 4)
    local_days = [(start - DAY).date() + count * DAY for count in days]
    slots = [_daily_slot(zone, day, at) for day in local_days]
    return [slot for slot in slots if start < slot.instants[0] <= end]


def _daily_slot(zone: str, day: date, at: time) -> Slot:
    wall = datetime.combine(day, at, UTC)
    offsets = {offset(zone, wall - DAY), offset(zone, wall), offset(zone, wall + DAY)}
    instants = sorted(wall - size for size in offsets if offset(zone, wall - size) == size)
    if instants:
        return Slot(tuple(instants))
    before, after = min(offsets), max(offsets)
    change = _between(zone, wall - after, wall - before)
    return Slot((change,), change + (after - before))


def elapsed_slots(
    zone: str, minutes: frozenset[int], start: datetime, end: datetime
) -> Iterator[Slot]:
    """Give one slot for every instant at which the clocks read one of the minutes."""
    at = start
    while (at := at + MINUTE) <= end:
        if (at + offset(zone, at)).minute in minutes:
            yield Slot((at,))
