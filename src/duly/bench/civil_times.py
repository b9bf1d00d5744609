"""Civil times around the coming clock changes, and the instants that they name, by hand.

Knows nothing of `duly.civil.resolve`. Where that asks `zoneinfo` for the offset of a civil
time, this only ever reads the clocks at instants (the other direction), and looks for the
instant at which they read what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["plain", "gap", "overlap"]
Fold = Literal["first", "second"]

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
# No zone is further from UTC, and no change moves the clocks by more.
_AROUND = [timedelta(hours=hours) for hours in (-25, -12, 0, 12, 25)]


@dataclass(frozen=True, slots=True)
class CivilTime:
    """A civil time in a zone, and the instant that it must be resolved to."""

    local: datetime
    """Naive."""
    zone: str
    fold: Fold
    """Which of the two, where it exists twice."""
    kind: Kind
    expected: datetime

    def __str__(self) -> str:
        return f"{self.local.isoformat()} {self.zone} ({self.kind}, {self.fold})"


def read_zones(folder: Path, names: Iterable[str]) -> tuple[tuple[str, ZoneInfo], ...]:
    """Read zones from their files, without any copy that somebody else has in memory."""
    return tuple((name, _read(folder / name, name)) for name in sorted(names))


def _read(path: Path, name: str) -> ZoneInfo:
    with path.open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def by_hand(local: datetime, zone: ZoneInfo, fold: Fold = "first") -> tuple[Kind, datetime]:
    """Find the instant at which the clocks of a zone read `local`.

    In an overlap there are two; in a gap none, and it is as much later as the clocks were
    put forward: what they would have read, had they not been changed (RFC 5545 3.3.5).
    """
    near = local.replace(tzinfo=UTC)
    offsets = [_offset(near + around, zone) for around in _AROUND]
    candidates = {near - offset for offset in offsets}
    found = sorted(at for at in candidates if _clocks(at, zone) == local)
    if not found:
        return "gap", near - offsets[0]
    return ("plain" if len(found) == 1 else "overlap"), found[0 if fold == "first" else -1]


def coming_civil_times(
    zones: Iterable[tuple[str, ZoneInfo]], now: datetime, days: int
) -> Iterator[CivilTime]:
    """Give civil times in every zone: tomorrow noon, and around each change that comes."""
    start = now.replace(microsecond=0) + _DAY
    for name, zone in zones:
        noon = _clocks(start, zone).replace(hour=12, minute=0, second=0)
        asked = {noon + _DAY}
        for change in _changes(zone, start + _DAY, days):
            asked |= set(_around(change, zone))
        for local in sorted(asked):
            folds: tuple[Fold, ...] = ("first", "second")
            for fold in folds:
                kind, expected = by_hand(local, zone, fold)
                if fold == "first" or kind == "overlap":
                    yield CivilTime(local, name, fold, kind, expected)


def _changes(zone: ZoneInfo, start: datetime, days: int) -> Iterator[datetime]:
    """Find the instants, to the second, at which the offset changes."""
    before = start
    for _ in range(days):
        after = before + _DAY
        if _offset(before, zone) != _offset(after, zone):
            low, high = before, after
            while high - low > _SECOND:
                middle = low + (high - low) // _SECOND // 2 * _SECOND
                same = _offset(middle, zone) == _offset(low, zone)
                low, high = (middle, high) if same else (low, middle)
            yield high
        before = after


def _around(change: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Give civil times before, in and after the gap or the overlap of a change."""
    reads = change.replace(tzinfo=None)
    ends = sorted(reads + _offset(at, zone) for at in (change - _SECOND, change))
    first, last = ends
    yield from (first - _SECOND, first, first + (last - first) / 2, last - _SECOND, last)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _clocks(at: datetime, zone: ZoneInfo) -> datetime:
    """Say what the clocks read at an instant."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)
