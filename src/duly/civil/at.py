"""Rules that fire once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, TypedDict, Unpack
from zoneinfo import ZoneInfo

from duly.civil.calendars import BusinessCalendar, OnClosed
from duly.civil.instants import Instant, WallTime, as_instant, parse_wall_time
from duly.civil.resolve import (
    Due,
    FoldPolicy,
    GapPolicy,
    check_policies,
    nearest,
    resolve_checked,
)
from duly.civil.rules import VERSION
from duly.civil.terms import NONE, Terms, civil_identity, late_by, said_moment
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import InvalidRule, InvalidTime

MOST_BUSINESS_DAYS = 1000


class AtArguments(TypedDict, total=False):
    """The keyword arguments that `At` takes; see there."""

    gap: GapPolicy
    fold: FoldPolicy
    calendar: BusinessCalendar | None
    on_closed: OnClosed
    jitter: timedelta | None
    seed: str


class Amounts(TypedDict, total=False):
    """How long before or after: whole numbers, 0 or more."""

    weeks: int
    days: int
    business_days: int
    hours: int
    minutes: int
    seconds: int


class BeforeArguments(Amounts, AtArguments, total=False):
    """The keyword arguments that `At.before` and `At.after` take; see there."""

    at: str | time | None
    tz: str | None


class _Resolved:
    """Room for what an At has been resolved to: no part of what it says."""

    __slots__ = ("_resolved",)
    # By which zone, that is, by which release of the data.
    _resolved: tuple[Zone, tuple[Due, ...]]


@dataclass(frozen=True, slots=True, init=False)
class At(_Resolved):
    """Once, at a civil time in a zone.

    local: naive, or ISO 8601 text without an offset, such as "2026-03-29T09:00".
    tz: IANA name.
    gap, fold: what to do where the clocks change; see `duly.civil.resolve.resolve`.
        `fold="both"` makes it due twice in an overlap.
    calendar, on_closed, jitter: as in TermArguments; "skip" refuses a closed time.

    Raises InvalidTime, UnknownZone, InvalidRule; NonexistentTime and AmbiguousTime under
    "reject", and InvalidRule where nothing is left to fire.
    """

    local: WallTime
    tz: str
    gap: GapPolicy
    fold: FoldPolicy
    terms: Terms

    def __init__(self, local: str | datetime, tz: str, **arguments: Unpack[AtArguments]) -> None:
        wall_time = parse_wall_time(local)
        gap, fold, terms = _checked(arguments) if arguments else _PLAIN
        _set(self, "local", wall_time)
        _set(self, "tz", tz)
        _set(self, "gap", gap)
        _set(self, "fold", fold)
        _set(self, "terms", terms)
        zone = get_zone(tz)
        if terms is not NONE and self._placed() is None:
            assert terms.calendar is not None
            raise InvalidRule(
                f"{wall_time.isoformat()} is not within {terms.calendar.describe()}, and "
                f"on_closed={terms.on_closed!r} leaves nothing; choose another time or policy"
            )
        if not self._dues():
            raise InvalidRule(
                f"{wall_time.isoformat()} does not exist in {zone.name}, and gap='skip' leaves "
                "nothing; choose another time or another gap policy"
            )

    @property
    def zone(self) -> str:
        return self.tz

    @property
    def is_elapsed(self) -> bool:
        return False

    def next(self, after: Instant) -> Due | None:
        for due in self._late_dues():
            if due.at > after:
                return due
        return None

    def anchored(self, now: Instant, seed: str = "") -> At:
        terms = self.terms.anchored(now, seed)
        return self if terms is self.terms else _with_terms(self, terms)

    def rederived(self, stored: Due, since: Instant) -> Due | None:
        dues = self._dues()
        return self._late_dues()[dues.index(nearest(dues, stored))] if dues else None

    def told(self, due: Due) -> Due:
        return due if due.wall_time == self.local else replace(due, moved_from=self.local)

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": "at",
            "local": self.local.isoformat(),
            "tz": self.tz,
            "gap": self.gap,
            "fold": self.fold,
            **self.terms.to_json(),
        }

    def describe(self) -> str:
        return f"once at {self.local.isoformat(sep=' ')} in {self.tz}{self.terms.describe()}"

    def _placed(self) -> WallTime | None:
        calendar = self.terms.calendar
        return calendar.place(self.local, self.terms.on_closed) if calendar else self.local

    def _dues(self) -> tuple[Due, ...]:
        zone = get_zone(self.tz)
        # Checked when it is built and asked when it is scheduled: resolved once.
        known: tuple[Zone, tuple[Due, ...]] | None = getattr(self, "_resolved", None)
        if known is not None and known[0] is zone:
            return known[1]
        dues = self._resolve(zone)
        _set(self, "_resolved", (zone, dues))
        return dues

    def _resolve(self, zone: Zone) -> tuple[Due, ...]:
        placed = self._placed()
        if placed is None:
            return ()
        dues = resolve_checked(placed, zone, self.gap, self.fold)
        if placed == self.local:
            return dues
        return tuple(replace(due, moved_from=self.local) for due in dues)

    def _late_dues(self) -> tuple[Due, ...]:
        dues = self._dues()
        if self.terms.jitter is None:
            return dues
        stops = (*(due.at for due in dues[1:]), None)
        return tuple(
            late_by(self.terms, due, civil_identity(due), stop)
            for due, stop in zip(dues, stops, strict=True)
        )

    @property
    def moment(self) -> Instant:
        """The first instant that it names, before any jitter."""
        return self._dues()[0].at

    @classmethod
    def instant(cls, moment: datetime, tz: str = "UTC", **arguments: Unpack[AtArguments]) -> At:
        """Give the At that names exactly this instant, as civil time in `tz`.

        moment: aware. Raises InvalidTime, UnknownZone.
        """
        at = as_instant(moment)
        local = at.astimezone(get_zone(tz).info)
        # zoneinfo says in `fold` which pass of an overlap an instant is in.
        fold: FoldPolicy = "second" if local.fold else "first"
        arguments["fold"] = fold
        return cls(local.replace(tzinfo=None), tz, **arguments)

    @classmethod
    def before(cls, moment: datetime | At, **how_long: Unpack[BeforeArguments]) -> At:
        """Give the civil time this long before a moment, as it is read in `tz`.

        moment: an At, or an aware datetime.
        weeks, days: count on the calendar, never as 24 hours: the same time of day, or `at`.
        business_days: count on a calendar=, which it needs: the first one before the date
            of the moment is 1.
        hours, minutes, seconds: time that elapses.
        at: time of day, "09:00" or a `datetime.time`.
        tz: the moment's own zone, unless another is named. One in UTC says nothing of a
            zone, so it must be named then.
        gap, fold, calendar, on_closed, jitter: as in At.

        Raises InvalidRule for negative or no amounts, for amounts that do not go together,
        or a result that is not before the moment; InvalidTime and UnknownZone.
        """
        return _moved(cls, moment, -1, how_long)

    @classmethod
    def after(cls, moment: datetime | At, **how_long: Unpack[BeforeArguments]) -> At:
        """Give the civil time this long after a moment; see `At.before`."""
        return _moved(cls, moment, 1, how_long)


_set = object.__setattr__
_PLAIN: tuple[GapPolicy, FoldPolicy, Terms] = ("shift", "first", NONE)


def _checked(arguments: AtArguments) -> tuple[GapPolicy, FoldPolicy, Terms]:
    rest: dict[str, Any] = dict(arguments)
    gap, fold = rest.pop("gap", "shift"), rest.pop("fold", "first")
    check_policies(gap, fold)
    if others := set(rest) & {"start", "end", "max_occurrences"}:
        raise TypeError(f"unexpected argument {', '.join(sorted(others))}")
    return gap, fold, Terms.checked(rest)  # type: ignore[arg-type]


def _with_terms(rule: At, terms: Terms) -> At:
    """Give the same At with other terms, which need no checking."""
    found = object.__new__(type(rule))
    for name in At.__slots__:
        object.__setattr__(found, name, terms if name == "terms" else getattr(rule, name))
    return found


class _HowLong(NamedTuple):
    """An amount of time, in the ways that it can be counted."""

    calendar: timedelta
    business_days: int
    elapsed: timedelta


def _moved(kind: type[At], moment: datetime | At, way: int, arguments: BeforeArguments) -> At:
    rest: dict[str, Any] = dict(arguments)
    at, tz = rest.pop("at", None), rest.pop("tz", None)
    how_long = _how_long({name: rest.pop(name, 0) for name in Amounts.__annotations__}, at, rest)
    zone = _zone_of(moment) if tz is None else tz
    if how_long.elapsed:
        # Time elapses from the instant; days before that move what the clock reads.
        start = moment.moment if isinstance(moment, At) else as_instant(moment)
        if how_long.calendar:
            local = _on_the_calendar(_local(moment, zone), how_long, way, None, rest)
            policies = {name: rest[name] for name in ("gap", "fold") if name in rest}
            start = kind(local, zone, **policies).moment
        found = kind.instant(_elapsed(start, way * how_long.elapsed), zone, **rest)
    else:
        local = _on_the_calendar(_local(moment, zone), how_long, way, at, rest)
        found = kind(local, zone, **rest)
    begun = moment.moment if isinstance(moment, At) else as_instant(moment)
    if (found.moment - begun) * way <= timedelta(0):
        side = "after" if way > 0 else "before"
        raise InvalidRule(
            f"{said_moment(found.moment)}, which is {found.local.isoformat(sep=' ')} in {zone}, is "
            f"not {side} {said_moment(begun)}: at=, a change of the clocks or the calendar moves "
            "it there; add a day"
        )
    return found


def _elapsed(start: Instant, how_long: timedelta) -> datetime:
    try:
        return start + how_long
    except OverflowError:
        raise InvalidTime(f"{said_moment(start)} and {how_long} leave the calendar") from None


def _local(moment: datetime | At, zone: str) -> WallTime:
    """Say what the clocks read at a moment."""
    # Not by way of the instant: a moment in a gap keeps the date it was given.
    if isinstance(moment, At) and zone == moment.tz and moment.terms.calendar is None:
        return moment.local
    instant = moment.moment if isinstance(moment, At) else as_instant(moment)
    return get_zone(zone).wall_time_at(instant)


def _on_the_calendar(
    local: WallTime, how_long: _HowLong, way: int, at: str | time | None, rest: dict[str, Any]
) -> datetime:
    try:
        moved = local + way * how_long.calendar
    except OverflowError:
        raise InvalidTime(f"{local} moved by {how_long.calendar} leaves the calendar") from None
    day: date = moved.date()
    if how_long.business_days:
        day = rest["calendar"].moved(day, way * how_long.business_days)
    return datetime.combine(day, moved.time() if at is None else _time_of_day(at))


def _how_long(amounts: dict[str, int], at: object, rest: dict[str, Any]) -> _HowLong:
    for name, amount in amounts.items():
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
            raise InvalidRule(f"{name} must be a whole number, 0 or more, got {amount!r}")
    business_days = amounts.pop("business_days")
    if business_days > MOST_BUSINESS_DAYS:
        raise InvalidRule(f"business_days must be 0 to {MOST_BUSINESS_DAYS}, got {business_days}")
    try:
        calendar = timedelta(weeks=amounts.pop("weeks"), days=amounts.pop("days"))
        elapsed = timedelta(**amounts)
    except OverflowError:
        raise InvalidRule(f"the amounts leave the calendar: {amounts}") from None
    if business_days and not isinstance(rest.get("calendar"), BusinessCalendar):
        raise InvalidRule("business_days= needs a calendar=, such as BusinessCalendar('DE')")
    if business_days and (calendar or elapsed):
        raise InvalidRule("business_days= goes with no other amount: say which day is meant")
    if at is not None and elapsed:
        raise InvalidRule("at= sets the time of day, so it goes with days or weeks only")
    if at is None and not (calendar or business_days or elapsed):
        raise InvalidRule("say how long: weeks, days, hours, minutes or seconds, or at=")
    return _HowLong(calendar, business_days, elapsed)


def _zone_of(moment: datetime | At) -> str:
    if isinstance(moment, At):
        return moment.tz
    as_instant(moment)
    info = moment.tzinfo
    if isinstance(info, ZoneInfo) and info.key and info.key != "UTC":
        return info.key
    meant = ", tz='UTC' if that is meant" if moment.utcoffset() == timedelta(0) else ""
    raise InvalidTime(
        f"{moment.isoformat()} does not say which zone it is read in; pass tz={meant}"
    )


def _time_of_day(at: str | time) -> time:
    if isinstance(at, time) and at.tzinfo is None:
        return at
    if isinstance(at, str):
        wall_time = parse_wall_time(f"2000-01-01T{at}")
        return wall_time.time()
    raise InvalidTime(f"at= must be a time of day such as '09:00', got {at!r:.80}")


def fires_once(form: Any) -> bool:
    """Say whether a stored rule names one instant at most, without building it."""
    return bool(form.get("kind") == "at" and form.get("fold", "both") != "both")
