"""What one copy of the time zone data says otherwise than another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from duly.civil.instants import Instant
from duly.civil.resolve import offset_text
from duly.civil.tzdata import Zone, ZoneDatabase

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ZoneDifference:
    """One zone that two copies tell differently."""

    zone: str
    kind: Literal["added", "removed", "changed"]
    since: Instant | None
    """The first instant, from the one asked about on, at which the offsets differ; None
    where they differ in the past only, or the zone is in one copy only."""
    offset_before: timedelta | None
    """The old copy's offset then."""
    offset_after: timedelta | None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "zone": self.zone,
            "kind": self.kind,
            "since": self.since.isoformat() if self.since else None,
            "offset_before": _text(self.offset_before),
            "offset_after": _text(self.offset_after),
        }


def differences(old: ZoneDatabase, new: ZoneDatabase, start: Instant) -> Iterator[ZoneDifference]:
    """Compare two copies, zone by zone, from an instant on up to the year 2100."""
    for name in sorted(old.names | new.names):
        if name not in new.names:
            yield ZoneDifference(name, "removed", None, None, None)
        elif name not in old.names:
            yield ZoneDifference(name, "added", None, None, None)
        elif old.zone(name).fingerprint != new.zone(name).fingerprint:
            yield _difference(old.zone(name), new.zone(name), start)


def _difference(old: Zone, new: Zone, start: Instant) -> ZoneDifference:
    changes = {change.at for zone in (old, new) for change in zone.transitions_from(start)}
    for at in sorted({start, *changes}):
        before, after = old.offset_at(at), new.offset_at(at)
        if before != after:
            return ZoneDifference(old.name, "changed", at, before, after)
    return ZoneDifference(old.name, "changed", None, None, None)


def _text(offset: timedelta | None) -> str | None:
    return None if offset is None else offset_text(offset)
