"""Why something is due when it is, in words and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from duly.civil.contexts import Warned, between, renamed
from duly.civil.instants import Instant, WallTime
from duly.civil.resolve import Due, Resolution, change_at, offset_text
from duly.civil.rules import Rule
from duly.civil.zones import get_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How one civil time became one instant."""

    rule: str
    """The rule in words; empty where none was given."""
    wall_time: WallTime
    zone: str
    at: Instant
    offset: timedelta
    resolution: Resolution
    policy: str
    tzdata: str
    """The release of the time zone data, such as "2026f"."""
    fingerprint: str
    """SHA-256 of the zone's data."""
    elsewhere: tuple[tuple[str, datetime], ...]
    """Zones asked for, each with the same instant as read there (aware)."""
    change: str
    """What the clocks did to this civil time; empty on a plain one."""
    moved_from: WallTime | None
    """The civil time before a business calendar moved it."""
    jitter: timedelta
    """How much later than the civil time it is on purpose."""
    warnings: tuple[Warned, ...]
    """What is to be known of the zones, such as an old name."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say it in plain sentences."""
        said = [f"Rule: {self.rule}."] if self.rule else []
        if self.moved_from is not None:
            said.append(f"{_day(self.moved_from)} is closed: moved to {_day(self.wall_time)}.")
        said += [self.change, _by_policy(self)] if self.change else [_plainly(self)]
        if self.jitter:
            said.append(f"Of that, {self.jitter} is jitter.")
        said += [
            f"In {name}: {local:%a %Y-%m-%d %H:%M:%S} {_offset(local)}."
            for name, local in self.elsewhere
        ]
        said += [f"{warned.message}." for warned in self.warnings]
        said.append(f"Time zone data: tzdata {self.tzdata}.")
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data: instants and local times in ISO 8601."""
        return {
            "rule": self.rule,
            "wall_time": self.wall_time.isoformat(),
            "zone": self.zone,
            "at": self.at.isoformat(),
            "offset": offset_text(self.offset),
            "resolution": self.resolution,
            "policy": self.policy,
            "tzdata": self.tzdata,
            "fingerprint": self.fingerprint,
            "moved_from": self.moved_from.isoformat() if self.moved_from else None,
            "jitter_seconds": self.jitter.total_seconds(),
            "warnings": [{"code": one.code, "message": one.message} for one in self.warnings],
            "elsewhere": {name: local.isoformat() for name, local in self.elsewhere},
            "sentences": list(self.sentences),
        }


def explain(due: Due, rule: Rule | None = None, *, zones: Sequence[str] = ()) -> Explanation:
    """Explain a due instant, and show it in other zones. Raises UnknownZone."""
    zone = get_zone(due.zone)
    return Explanation(
        rule=rule.describe() if rule else "",
        wall_time=due.wall_time,
        zone=due.zone,
        at=due.at,
        offset=zone.offset_at(due.at),
        resolution=due.resolution,
        policy=due.policy,
        tzdata=zone.release,
        fingerprint=zone.fingerprint,
        elsewhere=tuple((name, due.at.astimezone(get_zone(name).info)) for name in zones),
        change="" if due.resolution == "plain" else _change(due),
        moved_from=due.moved_from,
        jitter=due.jitter,
        warnings=tuple(_warnings(due, zones)),
    )


def _warnings(due: Due, others: Sequence[str]) -> Iterator[Warned]:
    own = get_zone(due.zone)
    for name in dict.fromkeys([due.zone, *others]):
        if now := renamed(name):
            yield Warned("renamed_zone", f"{name} is an old name of {now}")
        if name != due.zone:
            yield from between(own, get_zone(name), due.at)


def _change(due: Due) -> str:
    change = change_at(due)
    before = (change.at + change.offset_before).replace(tzinfo=None)
    after = (change.at + change.offset_after).replace(tzinfo=None)
    verb, way = ("does not exist", "forward") if change.kind == "gap" else ("happens twice", "back")
    said = (
        "that day"
        if before.date() == after.date() == due.wall_time.date()
        else f"on {before:%Y-%m-%d}"
    )
    return (
        f"{_time(due.wall_time)} {verb} in {due.zone} on {due.wall_time:%Y-%m-%d}: the clocks go "
        f"{way} {said} from {_time(before)} to {_time(after)}"
        f"{'' if before.date() == after.date() else f' of {after:%Y-%m-%d}'} "
        f"(UTC{offset_text(change.offset_before)} to UTC{offset_text(change.offset_after)})."
    )


def _by_policy(explanation: Explanation) -> str:
    name = "gap" if explanation.resolution == "gap" else "fold"
    moved = ""
    at = explanation.at - explanation.jitter
    local = WallTime((at + explanation.offset).replace(tzinfo=None))
    if local != explanation.wall_time:
        way = "later" if local > explanation.wall_time else "earlier"
        moved = f" {_duration(abs(local - explanation.wall_time))} {way},"
    return f"Policy {name}={explanation.policy}: due{moved} at {_fires(explanation)}."


def _plainly(explanation: Explanation) -> str:
    return f"Due {_fires(explanation)}."


def _fires(explanation: Explanation) -> str:
    local = (explanation.at + explanation.offset).replace(tzinfo=None)
    return (
        f"{local:%a %Y-%m-%d} {_time(local)} {offset_text(explanation.offset)} "
        f"{explanation.zone} ({explanation.at:%Y-%m-%dT%H:%M:%S}Z)"
    )


def _time(wall_time: datetime) -> str:
    return (
        f"{wall_time:%H:%M:%S}"
        if wall_time.second or wall_time.microsecond
        else f"{wall_time:%H:%M}"
    )


def _day(wall_time: datetime) -> str:
    return f"{wall_time:%a %Y-%m-%d} {_time(wall_time)}"


def _offset(local: datetime) -> str:
    offset = local.utcoffset()
    assert offset is not None
    return offset_text(offset)


def _duration(size: timedelta) -> str:
    return offset_text(size)[1:]
