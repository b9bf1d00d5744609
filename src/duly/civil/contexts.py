"""Time zones side by side: one instant in many, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from duly.civil import zones
from duly.civil.instants import Instant, WallTime, as_instant, parse_wall_time
from duly.civil.resolve import FoldPolicy, GapPolicy, offset_text, resolve
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import InvalidTime, UnknownZone

MOST_ZONES = 1000
# Daylight saving time ends within a year of its beginning, where it is not for good.
_SEASON = timedelta(days=366)
_HOUR = timedelta(hours=1)

WarningCode = Literal[
    "unknown_zone",
    "renamed_zone",
    "different_dst",
    "difference_changes",
    "missing_local_time",
    "ambiguous_local_time",
]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clocks of one zone read at an instant."""

    zone: str
    local: datetime
    """Aware."""
    offset: timedelta
    """From UTC."""
    dst_active: bool
    """Whether its clocks are ahead for a season: set forward, and back within a year."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "zone": self.zone,
            "local": self.local.isoformat(),
            "offset": offset_text(self.offset),
            "dst_active": self.dst_active,
        }


@dataclass(frozen=True, slots=True)
class Conversion:
    """One instant, as it is read in many zones."""

    at: Instant
    original: str
    """What was asked for, as text."""
    readings: tuple[Reading, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "original_time": self.original,
            "at": self.at.isoformat(),
            "conversions": {reading.zone: reading.to_json() for reading in self.readings},
        }


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about two zones that people trip over."""

    code: WarningCode
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What is to be known about two zones that are used together."""

    resource_timezone: str
    user_timezone: str
    offset_difference: timedelta | None
    """How far the user's clocks are ahead of the resource's; None for an unknown zone."""
    resource_dst_active: bool | None
    user_dst_active: bool | None
    warnings: tuple[Warned, ...]
    compatible: bool
    """Whether both zones are known, and the civil time asked for exists once."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data; the difference is in hours."""
        difference = self.offset_difference
        return {
            "resource_timezone": self.resource_timezone,
            "user_timezone": self.user_timezone,
            "offset_difference_hours": None if difference is None else difference / _HOUR,
            "resource_dst_active": self.resource_dst_active,
            "user_dst_active": self.user_dst_active,
            "warnings": [
                {"code": warned.code, "message": warned.message} for warned in self.warnings
            ],
            "compatible": self.compatible,
        }


def convert(
    moment: str | datetime,
    to_timezones: Iterable[str],
    *,
    from_timezone: str | None = None,
    gap: GapPolicy = "shift",
    fold: FoldPolicy = "first",
) -> Conversion:
    """Show one moment in many zones.

    moment: an instant (aware, or ISO 8601 text with an offset), or a civil time (naive, or
        without one) in `from_timezone`, where gap and fold decide as everywhere.
    to_timezones: at most 1,000 IANA names.

    Raises InvalidTime, UnknownZone; NonexistentTime and AmbiguousTime under "reject".
    """
    names = list(dict.fromkeys(to_timezones))
    if len(names) > MOST_ZONES:
        raise InvalidTime(f"to_timezones has at most {MOST_ZONES} zones, got {len(names)}")
    at = _instant(moment, from_timezone, gap, fold)
    original = moment if isinstance(moment, str) else moment.isoformat()
    return Conversion(at, original, tuple(read(at, name) for name in names))


def read(at: Instant, name: str) -> Reading:
    """Say what the clocks of a zone read at an instant. Raises UnknownZone."""
    zone = get_zone(name)
    return Reading(name, at.astimezone(zone.info), zone.offset_at(at), dst_active(zone, at))


def dst_active(zone: Zone, at: Instant) -> bool:
    """Say whether a zone's clocks are ahead for a season.

    Not by the data's own mark, which differs between copies: Ireland's is on in winter.
    """
    begun, until = zone.transitions_around(at)
    if begun is None or until is None:
        return False
    returns = until.change == -begun.change and until.at - begun.at < _SEASON
    return begun.kind == "gap" and returns


def validate(
    resource_timezone: str,
    user_timezone: str,
    *,
    at: datetime,
    local: str | datetime | None = None,
    execution_timezone: str | None = None,
) -> Validation:
    """Say what differs between two zones, and what is wrong with them.

    at: the instant at which they are compared (aware).
    local: a civil time to look at as well, read in `execution_timezone`, which is the
        resource's unless it is named.

    Raises InvalidTime for a bad `local` or `at`; unknown zones are warnings here.
    """
    moment = as_instant(at)
    wall_time = None if local is None else parse_wall_time(local)
    names = dict.fromkeys(
        [resource_timezone, user_timezone, execution_timezone or resource_timezone]
    )
    warnings = [warned for name in names for warned in _of_name(name)]
    known = {name: get_zone(name) for name in names if not _unknown(name)}
    resource, user = known.get(resource_timezone), known.get(user_timezone)
    execution = known.get(execution_timezone or resource_timezone)
    problems = list(_of_local(wall_time, execution)) if wall_time and execution else []
    difference = None
    if resource is not None and user is not None:
        difference = user.offset_at(moment) - resource.offset_at(moment)
        warnings += between(resource, user, moment)
    return Validation(
        resource_timezone=resource_timezone,
        user_timezone=user_timezone,
        offset_difference=difference,
        resource_dst_active=dst_active(resource, moment) if resource else None,
        user_dst_active=dst_active(user, moment) if user else None,
        warnings=(*warnings, *problems),
        compatible=len(known) == len(names) and not problems,
    )


def between(resource: Zone, user: Zone, at: Instant) -> Iterator[Warned]:
    """Tell what of two zones' clocks does not go together around an instant."""
    ahead = user.offset_at(at) - resource.offset_at(at)
    active = {zone.name: dst_active(zone, at) for zone in (resource, user)}
    if len(set(active.values())) > 1:
        on = next(name for name, is_on in active.items() if is_on)
        off = next(name for name, is_on in active.items() if not is_on)
        yield Warned(
            "different_dst", f"{on} is on daylight saving time and {off} is not at {_utc(at)}"
        )
    if changed := _difference_after(resource, user, at):
        moment, later = changed
        yield Warned(
            "difference_changes",
            f"{user.name} is {_apart(ahead)} {resource.name} until {_utc(moment)}, and "
            f"{_apart(later)} it from then on",
        )


def _difference_after(resource: Zone, user: Zone, at: Instant) -> tuple[Instant, timedelta] | None:
    """Find when, within a year, two zones' clocks stand otherwise to each other."""
    before = user.offset_at(at) - resource.offset_at(at)
    changes = [
        change.at for zone in (resource, user) for change in zone.transitions(at, at + _SEASON)
    ]
    for moment in sorted(changes):
        after = user.offset_at(moment) - resource.offset_at(moment)
        if after != before:
            return moment, after
    return None


def renamed(name: str) -> str | None:
    """Give what a zone is called now, where its name is an old one."""
    return zones.current().renamed(name)


def _of_name(name: str) -> Iterator[Warned]:
    if problem := _unknown(name):
        yield Warned("unknown_zone", problem)
    elif now := renamed(name):
        yield Warned("renamed_zone", f"{name} is an old name; the zone is called {now} now")


def _unknown(name: str) -> str:
    try:
        get_zone(name)
    except UnknownZone as error:
        return str(error)
    return ""


def _of_local(wall_time: WallTime, zone: Zone) -> Iterator[Warned]:
    found = resolve(wall_time, zone, gap="shift", fold="both")
    said = f"{wall_time.isoformat(sep=' ')} in {zone.name}"
    if found[0].resolution == "gap":
        yield Warned(
            "missing_local_time", f"{said} does not exist: the clocks are set forward past it"
        )
    elif found[0].resolution == "overlap":
        first, second = (offset_text(zone.offset_at(due.at)) for due in found)
        yield Warned(
            "ambiguous_local_time", f"{said} happens twice, with UTC offset {first} and {second}"
        )


def _instant(
    moment: str | datetime, from_timezone: str | None, gap: GapPolicy, fold: FoldPolicy
) -> Instant:
    found = moment
    if isinstance(moment, str):
        try:
            parsed = datetime.fromisoformat(moment)
        except ValueError:
            parsed = None
        # Without an offset our own reader is stricter, and says what is wrong.
        found = parsed if parsed is not None and parsed.tzinfo is not None else moment
    if isinstance(found, datetime) and found.tzinfo is not None:
        return as_instant(found)
    if from_timezone is None:
        raise InvalidTime(
            f"{moment!r:.60} names no instant; add an offset, or the zone: from_timezone=, --tz"
        )
    dues = resolve(parse_wall_time(found), from_timezone, gap=gap, fold=fold)
    if not dues:
        raise InvalidTime(f"{moment!r:.60} does not exist in {from_timezone}, and gap='skip'")
    return dues[0].at


def _apart(ahead: timedelta) -> str:
    if not ahead:
        return "level with"
    way = "ahead of" if ahead > timedelta(0) else "behind"
    return f"{offset_text(abs(ahead))[1:]} {way}"


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z"
