"""Rules: pure values that say when something is due. `Cron` is in a module of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

from duly.civil.instants import EARLIEST, Instant, WallTime, as_instant, parse_wall_time
from duly.civil.resolve import (
    Due,
    FoldPolicy,
    GapPolicy,
    check_policies,
    resolve_checked,
)
from duly.civil.zones import get_zone
from duly.errors import InvalidRule, InvalidTime

VERSION = 1
SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=3660)


class Rule(Protocol):
    """When something is due, as a value."""

    @property
    def zone(self) -> str:
        """The IANA name of the zone that the rule is read in."""
        ...

    def next(self, after: Instant) -> Due | None:
        """Give the first due instant after `after`; None when there is no further one."""
        ...

    def anchored(self, now: Instant) -> Self:
        """Give the rule with `now` for what it leaves to the moment of scheduling."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Give the form that is stored; `duly.civil.forms.rule_from_json` reads it."""
        ...

    def describe(self) -> str:
        """Say the rule in words."""
        ...


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a civil time in a zone.

    local: naive, or ISO 8601 text without an offset, such as "2026-03-29T09:00".
    tz: IANA name.
    gap, fold: what to do where the clocks change; see `duly.civil.resolve.resolve`.
        `fold="both"` makes it due twice in an overlap.

    Raises InvalidTime, UnknownZone, InvalidRule; NonexistentTime and AmbiguousTime under
    "reject", and InvalidRule where `gap="skip"` leaves nothing.
    """

    local: WallTime
    tz: str
    gap: GapPolicy
    fold: FoldPolicy

    def __init__(
        self,
        local: str | datetime,
        tz: str,
        *,
        gap: GapPolicy = "shift",
        fold: FoldPolicy = "first",
    ) -> None:
        check_policies(gap, fold)
        wall_time = parse_wall_time(local)
        zone = get_zone(tz)
        for name, value in (("local", wall_time), ("tz", tz), ("gap", gap), ("fold", fold)):
            object.__setattr__(self, name, value)
        if not resolve_checked(wall_time, zone, gap, fold):
            raise InvalidRule(
                f"{wall_time.isoformat()} does not exist in {tz}, and gap='skip' leaves "
                "nothing; choose another time or another gap policy"
            )

    @property
    def zone(self) -> str:
        return self.tz

    def next(self, after: Instant) -> Due | None:
        dues = resolve_checked(self.local, get_zone(self.tz), self.gap, self.fold)
        return next((due for due in dues if due.at > after), None)

    def anchored(self, now: Instant) -> Self:
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": "at",
            "local": self.local.isoformat(),
            "tz": self.tz,
            "gap": self.gap,
            "fold": self.fold,
        }

    def describe(self) -> str:
        return f"once at {self.local.isoformat(sep=' ')} in {self.tz}"

    @property
    def moment(self) -> Instant:
        """The first instant that it names."""
        due = self.next(EARLIEST)
        assert due is not None
        return due.at

    @classmethod
    def instant(cls, moment: datetime, tz: str = "UTC") -> At:
        """Give the At that names exactly this instant, as civil time in `tz`.

        moment: aware. Raises InvalidTime, UnknownZone.
        """
        at = as_instant(moment)
        local = at.astimezone(get_zone(tz).info)
        # zoneinfo says in `fold` which pass of an overlap an instant is in.
        return cls(local.replace(tzinfo=None), tz, fold="second" if local.fold else "first")

    @classmethod
    def before(  # noqa: PLR0913 - each unit of time is a keyword
        cls,
        moment: datetime | At,
        *,
        weeks: int = 0,
        days: int = 0,
        hours: int = 0,
        minutes: int = 0,
        seconds: int = 0,
        at: str | time | None = None,
        tz: str | None = None,
        gap: GapPolicy = "shift",
        fold: FoldPolicy = "first",
    ) -> At:
        """Give the civil time this long before a moment, as it is read in `tz`.

        Weeks and days count on the calendar, never as 24 hours: the same time of day,
        or `at`. Hours, minutes and seconds are time that elapses.
        moment: an At, or an aware datetime. tz: its own zone, unless another is named.
        at: time of day, "09:00" or a `datetime.time`.

        Raises InvalidRule for negative or no amounts, or `at` together with elapsed time;
        InvalidTime and UnknownZone.
        """
        calendar, elapsed = _amounts(weeks, days, hours, minutes, seconds, at)
        return cls._moved(moment, -calendar, -elapsed, at, tz, gap, fold)

    @classmethod
    def after(  # noqa: PLR0913 - each unit of time is a keyword
        cls,
        moment: datetime | At,
        *,
        weeks: int = 0,
        days: int = 0,
        hours: int = 0,
        minutes: int = 0,
        seconds: int = 0,
        at: str | time | None = None,
        tz: str | None = None,
        gap: GapPolicy = "shift",
        fold: FoldPolicy = "first",
    ) -> At:
        """Give the civil time this long after a moment; see `At.before`."""
        calendar, elapsed = _amounts(weeks, days, hours, minutes, seconds, at)
        return cls._moved(moment, calendar, elapsed, at, tz, gap, fold)

    @classmethod
    def _moved(  # noqa: PLR0913 - what both of the above take
        cls,
        moment: datetime | At,
        calendar: timedelta,
        elapsed: timedelta,
        at: str | time | None,
        tz: str | None,
        gap: GapPolicy,
        fold: FoldPolicy,
    ) -> At:
        zone = tz or _zone_of(moment)
        if isinstance(moment, At) and zone == moment.tz:
            # Not by way of the instant: a moment in a gap keeps the date it was given.
            local = moment.local
        else:
            instant = moment.moment if isinstance(moment, At) else as_instant(moment)
            local = get_zone(zone).wall_time_at(instant)
        try:
            local = WallTime(local + calendar)
        except OverflowError:
            raise InvalidTime(f"{moment} moved by {calendar} leaves the calendar") from None
        if at is not None:
            local = WallTime(datetime.combine(local.date(), _time_of_day(at)))
        if not elapsed:
            return cls(local, zone, gap=gap, fold=fold)
        if calendar or isinstance(moment, At):
            start = cls(local, zone, gap=gap, fold=fold).moment
            if isinstance(moment, At) and not calendar:
                start = moment.moment
        else:
            start = as_instant(moment)
        return cls.instant(start + elapsed, zone)


def _amounts(
    weeks: int, days: int, hours: int, minutes: int, seconds: int, at: str | time | None
) -> tuple[timedelta, timedelta]:
    amounts = {"weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    for name, amount in amounts.items():
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
            raise InvalidRule(f"{name} must be a whole number, 0 or more, got {amount!r}")
    try:
        calendar = timedelta(weeks=weeks, days=days)
        elapsed = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise InvalidRule(f"the amounts leave the calendar: {amounts}") from None
    if at is not None and elapsed:
        raise InvalidRule("at= sets the time of day, so it goes with days or weeks only")
    if at is None and not calendar and not elapsed:
        raise InvalidRule("say how long: weeks, days, hours, minutes or seconds, or at=")
    return calendar, elapsed


def _zone_of(moment: datetime | At) -> str:
    if isinstance(moment, At):
        return moment.tz
    if isinstance(moment, datetime) and isinstance(moment.tzinfo, ZoneInfo) and moment.tzinfo.key:
        return moment.tzinfo.key
    if isinstance(moment, datetime) and moment.tzinfo is UTC:
        return "UTC"
    raise InvalidTime(f"{moment!r:.80} does not say which zone it is read in; pass tz=")


def _time_of_day(at: str | time) -> time:
    if isinstance(at, time) and at.tzinfo is None:
        return at
    if isinstance(at, str):
        wall_time = parse_wall_time(f"2000-01-01T{at}")
        return wall_time.time()
    raise InvalidTime(f"at= must be a time of day such as '09:00', got {at!r:.80}")


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, after the same time has elapsed; it never drifts from its anchor.

    interval: 1 second to 10 years, to the microsecond. A day is 24 hours here, whatever
        the clocks do; use Cron for a time of day.
    anchor: aware. Due at anchor + interval, anchor + 2 intervals and so on. None: the
        moment at which it is scheduled.
    tz: the zone that its instants are shown in.

    Raises InvalidRule, InvalidTime, UnknownZone.
    """

    interval: timedelta
    anchor: datetime | None = field(default=None)
    tz: str = field(default="UTC")

    def __post_init__(self) -> None:
        if not isinstance(self.interval, timedelta):
            raise InvalidRule(f"interval must be a timedelta, got {self.interval!r:.80}")
        if not SHORTEST_INTERVAL <= self.interval <= LONGEST_INTERVAL:
            raise InvalidRule(f"interval must be 1 second to 10 years, got {self.interval}")
        if self.anchor is not None:
            object.__setattr__(self, "anchor", as_instant(self.anchor))
        get_zone(self.tz)

    @property
    def zone(self) -> str:
        return self.tz

    def next(self, after: Instant) -> Due | None:
        if self.anchor is None:
            raise InvalidRule("this rule has no anchor yet; it gets one when it is scheduled")
        count = max(1, (after - Instant(self.anchor)) // self.interval + 1)
        try:
            at = as_instant(self.anchor + count * self.interval)
        except (InvalidTime, OverflowError):
            return None
        return Due(at, get_zone(self.tz).wall_time_at(at), self.tz, "plain")

    def anchored(self, now: Instant) -> Self:
        return self if self.anchor is not None else replace(self, anchor=now)

    def to_json(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": "every",
            # Whole microseconds: a float of seconds would not round-trip.
            "microseconds": self.interval // timedelta(microseconds=1),
            "anchor": self.anchor.isoformat() if self.anchor else None,
            "tz": self.tz,
        }

    def describe(self) -> str:
        since = f" from {self.anchor.isoformat()}" if self.anchor else ""
        return f"every {self.interval}{since}"
