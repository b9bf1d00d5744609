"""From civil time to instants: what happens in a gap and in an overlap, by named policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from duly.civil.instants import EARLIEST, LAST_YEAR, Instant, WallTime, parse_wall_time
from duly.civil.tzdata import Transition, Zone
from duly.civil.zones import get_zone
from duly.errors import AmbiguousTime, InvalidRule, NonexistentTime

GapPolicy = Literal["shift", "next_valid", "earlier", "skip", "reject"]
FoldPolicy = Literal["first", "second", "both", "reject"]
Resolution = Literal["plain", "gap", "overlap"]

FirstFrom = Callable[[datetime], WallTime | None]
"""An ascending row of civil times: gives the first at or after one; it seeks, never walks."""

_GAP_POLICIES, _FOLD_POLICIES = get_args(GapPolicy), get_args(FoldPolicy)
_TICK = timedelta(microseconds=1)
# No change moves the clocks by more: Samoa and Kiribati once skipped a day.
_FAR = timedelta(hours=25)
_END = Instant(datetime(LAST_YEAR + 1, 1, 2, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Due:
    """An instant, the civil time that it came from, and how it was resolved."""

    at: Instant
    wall_time: WallTime
    """The civil time asked for: in a gap, no clock ever reads it."""
    zone: str
    resolution: Resolution
    policy: str = ""
    """The policy that decided ("shift", "first" …); empty on a plain time."""
    jitter: timedelta = timedelta(0)
    """How much later than that it is on purpose; `at` includes it."""
    moved_from: WallTime | None = None
    """The civil time before a business calendar moved it; None where it did not."""


def resolve(
    local: datetime, zone: Zone | str, *, gap: GapPolicy = "shift", fold: FoldPolicy = "first"
) -> tuple[Due, ...]:
    """Turn a civil time into the instants it names in `zone`.

    One instant on an ordinary day; none, one or two where the clocks change, as the
    policies say. In a gap: "shift" is later by the gap's length (02:30 -> 03:30),
    "next_valid" the first instant after it (03:00), "earlier" sooner by the gap's length
    (01:30), "skip" none. In an overlap: "first", "second" or "both".

    local: naive, microsecond precision. Gives UTC instants, ascending.
    Raises NonexistentTime / AmbiguousTime under "reject", naming both sides of the change;
    InvalidRule for an unknown policy; InvalidTime and UnknownZone for bad input.
    Source: RFC 5545 3.3.5; java.time ZonedDateTime.ofLocal for the defaults.
    """
    check_policies(gap, fold)
    wall_time = parse_wall_time(local)
    found = zone if isinstance(zone, Zone) else get_zone(zone)
    return resolve_checked(wall_time, found, gap, fold)


def resolve_checked(
    wall_time: WallTime, zone: Zone, gap: GapPolicy, fold: FoldPolicy
) -> tuple[Due, ...]:
    """Do what `resolve` does, for input that has been checked."""
    # PEP 495: in an overlap fold=0 reads the larger offset, in a gap the one before it.
    earlier = wall_time.replace(tzinfo=zone.info)
    later = earlier.replace(fold=1)
    before, after = earlier.utcoffset(), later.utcoffset()
    assert before is not None
    assert after is not None
    if before == after:
        return (Due(_instant(wall_time, before), wall_time, zone.name, "plain"),)
    if before < after:
        return _in_gap(wall_time, zone, before, after, gap)
    return _in_overlap(wall_time, zone, before, after, fold)


def _in_gap(
    wall_time: WallTime, zone: Zone, before: timedelta, after: timedelta, policy: GapPolicy
) -> tuple[Due, ...]:
    shifted, sooner = _instant(wall_time, before), _instant(wall_time, after)
    match policy:
        case "shift":
            at = shifted
        case "earlier":
            at = sooner
        case "next_valid":
            at = _change(zone, sooner, shifted).at
        case "skip":
            return ()
        case "reject":
            change = _change(zone, sooner, shifted)
            raise NonexistentTime(
                f"{wall_time.isoformat()} does not exist in {zone.name}: the clocks go from "
                f"{_wall(change.at, before)} to {_wall(change.at, after)} "
                f"(tzdata {zone.release}); choose another time or another gap policy"
            )
    return (Due(at, wall_time, zone.name, "gap", policy),)


def _in_overlap(
    wall_time: WallTime, zone: Zone, before: timedelta, after: timedelta, policy: FoldPolicy
) -> tuple[Due, ...]:
    first = Due(_instant(wall_time, before), wall_time, zone.name, "overlap", policy)
    second = Due(_instant(wall_time, after), wall_time, zone.name, "overlap", policy)
    match policy:
        case "first":
            return (first,)
        case "second":
            return (second,)
        case "both":
            return (first, second)
        case "reject":
            raise AmbiguousTime(
                f"{wall_time.isoformat()} happens twice in {zone.name}: at "
                f"{first.at.isoformat()} with UTC offset {offset_text(before)}, and at "
                f"{second.at.isoformat()} with {offset_text(after)} (tzdata {zone.release}); "
                "choose another time or another fold policy"
            )


def nearest(dues: Sequence[Due], stored: Due) -> Due:
    """Give the one of some instants of a civil time that was stored by other zone data."""
    return min(dues, key=lambda due: abs(due.at - (stored.at - stored.jitter)))


def first_due(
    first_from: FirstFrom,
    zone: Zone,
    after: Instant,
    *,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Due | None:
    """Give the earliest instant after `after` that an ascending row of civil times names.

    Exact although resolution is not monotone: a shifted 02:30 fires after a plain 03:00,
    and the second 01:00 of an overlap after the first 01:59. Between two changes civil
    times and instants have one order, so each such stretch asks for a few civil times
    only, however many a gap or an overlap holds.
    Raises NonexistentTime / AmbiguousTime where "reject" meets the next of the row.
    """
    start = Instant(max(after, EARLIEST) + _TICK)
    begun, until = zone.transitions_around(start)
    offset = until.offset_before if until else zone.offset_at(start)
    row = _Row(first_from)
    # Most questions are asked far from any change, and answered far from any.
    if begun is None or start - begun.at >= _FAR:
        wall_time = row.first(_reading(start, offset))
        if wall_time is None and until is None:
            return None
        if wall_time is not None and (
            found := _far_from_changes(wall_time, zone, start, offset, until)
        ):
            return found
    return _first_of_stretches(row, zone, start, begun, gap, fold)


def _far_from_changes(
    wall_time: WallTime, zone: Zone, start: Instant, offset: timedelta, until: Transition | None
) -> Due | None:
    """Give the instant of the next civil time where neither it nor `start` is near a change.

    offset: the one in force from `start` up to `until`.
    """
    at = Instant((wall_time - offset).replace(tzinfo=UTC))
    if until is not None and until.at - at <= _FAR:
        if until.at - start <= _FAR:
            # What the clocks have read already they may read again after it.
            return None
        at = resolve_checked(wall_time, zone, "shift", "first")[0].at
        begun, until = zone.transitions_around(at)
        if (begun and at - begun.at <= _FAR) or (until and until.at - at <= _FAR):
            return None
    return Due(at, wall_time, zone.name, "plain")


def _first_of_stretches(
    row: _Row,
    zone: Zone,
    start: Instant,
    begun: Transition | None,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Due | None:
    while start < _END:
        until = zone.transition_after(start)
        end = until.at if until else _END
        dues = [
            due
            for wall_time in _first_of_stretch(row, zone, start, begun, until, gap, fold)
            for due in resolve_checked(wall_time, zone, gap, fold)
            if start <= due.at < end
        ]
        if dues:
            return min(dues, key=lambda due: (due.at, due.wall_time))
        if until is None:
            return None
        start, begun = until.at, until
    return None


class _Row:
    """An ascending row of civil times that remembers what it was asked last.

    Most stretches between changes lie before the next civil time of a rare rule, and
    asking again would cost more than all the rest.
    """

    def __init__(self, first_from: FirstFrom) -> None:
        self._first_from = first_from
        self._asked: datetime | None = None
        self._answer: WallTime | None = None

    def first(self, low: datetime) -> WallTime | None:
        """Give the first civil time from `low` on."""
        passed = self._answer is not None and self._answer < low
        if self._asked is None or low < self._asked or passed:
            self._asked = low
            self._answer = self._first_from(low)
        return self._answer

    def first_of(self, low: datetime, high: datetime) -> tuple[WallTime, ...]:
        """Give the first civil time of [low, high), if there is one."""
        if low >= high:
            return ()
        found = self.first(low)
        return (found,) if found is not None and found < high else ()


def _first_of_stretch(  # noqa: PLR0913 - one question, asked in one place
    row: _Row,
    zone: Zone,
    start: Instant,
    begun: Transition | None,
    until: Transition | None,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Iterator[WallTime]:
    """Give the civil times of which one names the first instant from `start` to `until`.

    begun, until: the changes at both ends of the stretch, `begun` at or before `start`.
    """
    # Those moved later out of the gap at its beginning.
    if begun and begun.kind == "gap" and (gap == "shift" or start == begun.at):
        low = max(_reading(start, begun.offset_before), begun.wall_time_before)
        yield from row.first_of(low, begun.wall_time_after)

    # Those that the clocks read, but for the pass of an overlap that is not asked for.
    offset = zone.offset_at(start)
    low = _reading(start, offset)
    high = _reading(until.at if until else _END, offset)
    if begun and begun.kind == "overlap" and fold in ("first", "reject"):
        low = max(low, begun.wall_time_before)
    if until and until.kind == "overlap" and fold == "second":
        high = min(high, until.wall_time_after)
    yield from row.first_of(low, high)

    # Those moved earlier out of the gap at its end.
    if until and until.kind == "gap" and gap == "earlier":
        low = max(_reading(start, until.offset_after), until.wall_time_before)
        yield from row.first_of(low, until.wall_time_after)


def _reading(at: Instant, offset: timedelta) -> datetime:
    return at.replace(tzinfo=None) + offset


def check_policies(gap: str, fold: str) -> None:
    """Raise InvalidRule for a policy that does not exist."""
    if gap in _GAP_POLICIES and fold in _FOLD_POLICIES:
        return
    for name, policy, known in (("gap", gap, _GAP_POLICIES), ("fold", fold, _FOLD_POLICIES)):
        if policy not in known:
            raise InvalidRule(f"{name} must be one of {', '.join(known)}; got {policy!r:.60}")


def change_at(due: Due) -> Transition:
    """Give the change of the clocks that a due instant in a gap or an overlap is about."""
    zone = get_zone(due.zone)
    local = due.wall_time.replace(tzinfo=zone.info)
    readings = [local.utcoffset(), local.replace(fold=1).utcoffset()]
    instants = sorted(_instant(due.wall_time, offset) for offset in readings if offset is not None)
    return _change(zone, instants[0], instants[1])


def offset_text(offset: timedelta) -> str:
    """Write a UTC offset as "+05:45", with seconds only where there are some."""
    sign, size = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    minutes, seconds = divmod(int(size.total_seconds()), 60)
    text = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _change(zone: Zone, low: Instant, high: Instant) -> Transition:
    return zone.transitions(low, high)[-1]


def _instant(wall_time: WallTime, offset: timedelta) -> Instant:
    return Instant((wall_time - offset).replace(tzinfo=UTC))


def _wall(at: Instant, offset: timedelta) -> str:
    return f"{(at + offset).replace(tzinfo=None).isoformat()}{offset_text(offset)}"
