"""What any recurring rule may add: from when to when, how often, on which days, how spread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict

from duly.civil.calendars import BusinessCalendar, OnClosed, check_calendar
from duly.civil.instants import Instant, WallTime, as_instant, parse_wall_time
from duly.civil.resolve import Due, resolve_checked
from duly.civil.tzdata import Zone
from duly.errors import InvalidRule, InvalidTime

MOST_OCCURRENCES = 1000
LONGEST_JITTER = timedelta(hours=24)
_SECOND = timedelta(seconds=1)
_TICK = timedelta(microseconds=1)

Next = Callable[[Instant], Due | None]


class TermArguments(TypedDict, total=False):
    """The keyword arguments that every recurring rule takes.

    end: it fires before this only. A civil time in the rule's zone (naive, or ISO 8601
        text without an offset), or an instant (aware).
    max_occurrences: 1 to 1,000 firings, counted from `start`, or else from when it is
        scheduled.
    calendar, on_closed: what to do with a time on a day, or at an hour, that a business
        calendar says is closed: "skip" it, or move it to the "next_business_day" or
        "previous_business_day".
    jitter: each firing is late by some share of this, at most 24 hours, and never as
        late as the next one, nor as `end`. The share is made from the event and the firing,
        so it is the same whenever it is asked for.
    """

    end: datetime | str | None
    max_occurrences: int | None
    calendar: BusinessCalendar | None
    on_closed: OnClosed
    jitter: timedelta | None
    seed: str


class WindowArguments(TermArguments, total=False):
    """And what those take whose text does not say when they begin.

    start: it fires from then on only; as `end`.
    """

    start: datetime | str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """Those arguments, checked."""

    start: datetime | None = None
    end: datetime | None = None
    max_occurrences: int | None = None
    calendar: BusinessCalendar | None = None
    on_closed: OnClosed = "skip"
    jitter: timedelta | None = None
    seed: str = ""

    @classmethod
    def checked(cls, arguments: WindowArguments) -> Terms:
        """Check the arguments. Raises InvalidRule or InvalidTime naming the one that is wrong."""
        if not arguments:
            return NONE
        unknown = set(arguments) - set(cls.__slots__)
        if unknown:
            raise TypeError(f"unexpected argument {', '.join(sorted(unknown))}")
        terms = cls(**{**arguments, **_moments(arguments)})  # type: ignore[arg-type]
        check_calendar(terms.calendar, terms.on_closed)
        _check_count(terms.max_occurrences)
        _check_jitter(terms.jitter)
        if not isinstance(terms.seed, str):
            raise InvalidRule(f"seed must be text, got {terms.seed!r:.60}")
        if terms.start and terms.end and _is_over(terms.start, terms.end):
            raise InvalidRule(
                f"end must be after start, got {said_moment(terms.start)} to "
                f"{said_moment(terms.end)}"
            )
        return terms

    def anchored(self, now: Instant, seed: str) -> Terms:
        """Fill in what counting and spreading need."""
        terms = self
        if terms.max_occurrences and terms.start is None:
            # What fires at `now` itself is not counted.
            terms = replace(terms, start=now + _TICK)
        if terms.jitter and not terms.seed:
            terms = replace(terms, seed=seed)
        return terms

    def first_instant(self, zone: Zone) -> Instant | None:
        """Give the instant of `start`."""
        return _instant(self.start, zone) if self.start else None

    def end_instant(self, zone: Zone) -> Instant | None:
        """Give the instant of `end`."""
        return _instant(self.end, zone) if self.end else None

    def to_json(self) -> dict[str, Any]:
        """Give them as JSON data, without those left at their default."""
        said: dict[str, Any] = {
            "start": self.start and self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "max_occurrences": self.max_occurrences,
            "calendar": None if self.calendar is None else self.calendar.to_json(),
            "on_closed": self.on_closed if self.calendar is not None else None,
            "jitter": self.jitter and self.jitter / _SECOND,
            "seed": self.seed or None,
        }
        return {name: value for name, value in said.items() if value is not None}

    def describe(self) -> str:
        """Say them in words, to be put behind a rule; empty where there are none."""
        said = []
        if self.start:
            said.append(f"from {said_moment(self.start)}")
        if self.end:
            said.append(f"until before {said_moment(self.end)}")
        if self.max_occurrences:
            times = "once" if self.max_occurrences == 1 else f"{self.max_occurrences} times"
            said.append(f"{times} at most")
        if self.calendar is not None:
            way = {
                "skip": "only on",
                "next_business_day": "moved on to",
                "previous_business_day": "moved back to",
            }[self.on_closed]
            said.append(f"{way} {self.calendar.describe()}")
        if self.jitter:
            said.append(f"late by up to {said_duration(self.jitter)}")
        return "".join(f", {one}" for one in said)


NONE = Terms()


def terms_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments that JSON data says. Raises InvalidRule naming the field."""
    found: dict[str, Any] = {}
    for name in Terms.__slots__:
        if data.get(name) is not None:
            found[name] = data[name]
    if "calendar" in found:
        found["calendar"] = BusinessCalendar.from_json(found["calendar"])
    jitter = found.get("jitter")
    if jitter is not None:
        number = isinstance(jitter, (int, float)) and not isinstance(jitter, bool)
        if not number or not _TICK / _SECOND <= jitter <= LONGEST_JITTER / _SECOND:
            raise InvalidRule(
                "jitter must be a number of seconds, more than 0 and up to 86400, got "
                f"{jitter!r:.60}"
            )
        found["jitter"] = timedelta(seconds=jitter)
    return found


def bounded(
    terms: Terms, zone: Zone, plain: Next, last: Callable[[], Instant | None] | None = None
) -> Next:
    """Give `plain` within start, end and the last instant that is counted."""
    first, end = terms.first_instant(zone), terms.end_instant(zone)

    def bounded_next(after: Instant) -> Due | None:
        due = plain(after if first is None else max(after, Instant(first - _TICK)))
        if due is None or (end is not None and due.at >= end):
            return None
        counted = last() if last is not None else None
        return None if counted is not None and due.at > counted else due

    return bounded_next


def spread(
    plain: Next, late: Callable[[Due], Due], within: timedelta, after: Instant
) -> Due | None:
    """Give the first late firing after an instant.

    late: makes a firing of `plain` late by less than `within`, and never as late as the
        firing that follows it.
    """
    before = _last_until(plain, after, within)
    if before is not None:
        delayed = late(before)
        if delayed.at > after:
            return delayed
    due = plain(after)
    return late(due) if due else None


def _last_until(plain: Next, after: Instant, within: timedelta) -> Due | None:
    """Give the last firing in (after - within, after]; none before may be late past it."""
    size = _SECOND
    while (last := plain(Instant(after - min(size, within)))) is None or last.at > after:
        if size >= within:
            return None
        size *= 2
    none_after = after
    while none_after - last.at > _SECOND:
        middle = Instant(last.at + (none_after - last.at) / 2)
        found = plain(middle)
        if found is not None and found.at <= after:
            last = found
        else:
            none_after = middle
    while (found := plain(last.at)) is not None and found.at <= after:
        last = found
    return last


def late_by(terms: Terms, due: Due, identity: datetime, stop: Instant | None) -> Due:
    """Give a firing with its jitter, which ends before `stop`.

    identity: what the share is made from; another for each firing of a rule.
    """
    assert terms.jitter is not None
    room = min(terms.jitter, stop - due.at) if stop else terms.jitter
    # Rounded down: up could be at `stop`.
    late = int(room // _TICK * _share(f"{terms.seed}|{identity.isoformat()}")) * _TICK
    return replace(due, at=Instant(due.at + late), jitter=late)


def civil_identity(due: Due) -> datetime:
    """Give what tells a firing from the others of its rule, whatever the zone data."""
    # An overlap has two of the same civil time.
    return due.at if due.resolution == "overlap" else due.wall_time


def _share(identity: str) -> float:
    """Give a number in [0, 1) that is always the same for an identity, and evenly spread."""
    digest = hashlib.blake2b(identity.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _moments(arguments: WindowArguments) -> dict[str, datetime | None]:
    return {name: _moment(name, arguments[name]) for name in ("start", "end") if name in arguments}


def _moment(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, (str, datetime)):
        raise InvalidRule(f"{name} must be a civil time or an instant, got {value!r:.80}")
    moment = _aware(value) if isinstance(value, str) else value
    try:
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return as_instant(moment)
        return parse_wall_time(moment)
    except InvalidTime as error:
        raise InvalidTime(f"{name}: {error}") from None


def _aware(text: str) -> str | datetime:
    """Read the text of an instant; leave any other as it is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if found.tzinfo is None else found


def _instant(moment: datetime, zone: Zone) -> Instant:
    if moment.tzinfo is not None:
        return Instant(moment)
    return resolve_checked(WallTime(moment), zone, "shift", "first")[0].at


def _is_over(start: datetime, end: datetime) -> bool:
    # A civil time and an instant cannot be compared before the zone is known.
    return (start.tzinfo is None) == (end.tzinfo is None) and start >= end


def _check_count(count: object) -> None:
    if count is None:
        return
    whole = isinstance(count, int) and not isinstance(count, bool)
    if not whole or not 1 <= count <= MOST_OCCURRENCES:  # type: ignore[operator]
        raise InvalidRule(f"max_occurrences must be 1 to {MOST_OCCURRENCES}, got {count!r:.60}")


def _check_jitter(jitter: object) -> None:
    if jitter is None:
        return
    if not isinstance(jitter, timedelta) or not timedelta(0) < jitter <= LONGEST_JITTER:
        raise InvalidRule(
            f"jitter must be a timedelta, more than 0 and up to 24 hours, got {jitter!r:.60}"
        )


def said_moment(moment: datetime) -> str:
    """Write a civil time or an instant, so that one can tell which."""
    return moment.isoformat(sep=" ").replace("+00:00", "Z")


def said_duration(duration: timedelta) -> str:
    """Write a length of time as "1 day, 2 hours and 0.5 seconds"."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = {"day": duration.days, "hour": hours, "minute": minutes}
    said = [_amount(f"{amount}", unit) for unit, amount in parts.items() if amount]
    if seconds or duration.microseconds:
        whole = f"{seconds}.{duration.microseconds:06}".rstrip("0").rstrip(".")
        said.append(_amount(whole, "second"))
    return " and ".join(filter(None, [", ".join(said[:-1]), said[-1]]))


def _amount(amount: str, unit: str) -> str:
    return f"{amount} {unit}" if amount == "1" else f"{amount} {unit}s"
