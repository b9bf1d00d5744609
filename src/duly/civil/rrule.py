"""Recurrence rules of iCalendar, exact across every change of the clocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any, Self, Unpack

from duly.civil.instants import LAST_YEAR, Instant, WallTime, parse_wall_time
from duly.civil.recurrence import RecurrenceSet, series, with_days
from duly.civil.recurring import CivilRule
from duly.civil.resolve import Due, FoldPolicy, GapPolicy, check_policies
from duly.civil.rrule_text import Lines, Parts, as_wall_time, parse, read_lines, read_moment
from duly.civil.rrule_words import words
from duly.civil.rules import VERSION
from duly.civil.terms import TermArguments, Terms
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import InvalidRule, InvalidTime

MOST_DATES = 10_000
_FINER_THAN_DAILY = ("SECONDLY", "MINUTELY", "HOURLY")
_DAY_END = time(23, 59, 59)


@dataclass(frozen=True, slots=True, init=False)
class RRule(CivilRule):
    """By a recurrence rule of iCalendar, read in a zone.

    text: "FREQ=MONTHLY;BYDAY=-1FR", with or without "RRULE:" in front; or the lines of
        iCalendar, DTSTART, RRULE, EXDATE and RDATE, whose TZID is `tz` then.
    start: the civil time that it begins with (DTSTART), to the second; naive, or ISO 8601
        text. It says what the rule leaves open, and is itself due where the rule names it.
    tz: IANA name.
    exdates, rdates: civil times left out and added; an aware datetime is read in `tz`.
    gap, fold: what to do where the clocks change. None: "shift" and "first"; for HOURLY,
        MINUTELY and SECONDLY "skip" and "both", so that they follow elapsed time.
    terms: end, max_occurrences, calendar, on_closed and jitter; see TermArguments.

    COUNT counts civil times before any is left out. UNTIL is included: as an instant (Z),
    as a civil time, or as a date to its end. SKIP says what becomes of the 31st of a short
    month. Raises InvalidRule naming the part, also for a rule that never comes;
    InvalidTime; UnknownZone.
    Source: RFC 5545 3.3.10 and 3.8.5; RFC 7529 for SKIP.
    """

    text: str
    start: WallTime
    tz: str
    exdates: tuple[WallTime, ...]
    rdates: tuple[WallTime, ...]
    gap: GapPolicy
    fold: FoldPolicy
    terms: Terms
    parts: Parts = field(repr=False, compare=False)
    row: RecurrenceSet = field(repr=False, compare=False)

    def __init__(  # noqa: PLR0913 - each a keyword
        self,
        text: str,
        start: str | datetime | None = None,
        tz: str | None = None,
        *,
        exdates: Iterable[str | date] = (),
        rdates: Iterable[str | date] = (),
        gap: GapPolicy | None = None,
        fold: FoldPolicy | None = None,
        **terms: Unpack[TermArguments],
    ) -> None:
        if "start" in terms:
            raise TypeError("start is given twice")
        lines = read_lines(text)
        parts = parse(lines.rule)
        name, begun = _begun(lines, start, tz)
        left_out = _dates("exdates", exdates, lines.exdates, name)
        added = _dates("rdates", rdates, lines.rdates, name)
        elapsed = parts.freq in _FINER_THAN_DAILY
        if gap is None:
            gap = "skip" if elapsed else "shift"
        if fold is None:
            fold = "both" if elapsed else "first"
        check_policies(gap, fold)
        row = _row(parts, begun, get_zone(name), left_out, added)
        if row.first_from(begun) is None and not left_out:
            raise InvalidRule(
                f"rrule {lines.rule!r:.120} from {begun.isoformat()} never matches up to the year "
                f"{LAST_YEAR}: there is no such date, or UNTIL is before the first"
            )
        self._set(
            text=";".join(part.strip() for part in lines.rule.strip().upper().split(";") if part),
            start=begun,
            tz=name,
            exdates=left_out,
            rdates=added,
            gap=gap,
            fold=fold,
            terms=Terms.checked(terms),  # type: ignore[arg-type]
            parts=parts,
            row=row,
        )

    @property
    def is_elapsed(self) -> bool:
        return self.parts.freq in _FINER_THAN_DAILY

    def anchored(self, now: Instant, seed: str = "") -> Self:
        # It counts from its own start.
        terms = replace(self.terms.anchored(now, seed), start=None)
        return self if terms == self.terms else self._with(terms=terms)

    def to_json(self) -> dict[str, Any]:
        form: dict[str, Any] = {
            "v": VERSION,
            "kind": "rrule",
            "text": self.text,
            "start": self.start.isoformat(),
            "tz": self.tz,
            "gap": self.gap,
            "fold": self.fold,
        }
        for name, dates in (("exdates", self.exdates), ("rdates", self.rdates)):
            if dates:
                form[name] = [moment.isoformat() for moment in dates]
        return {**form, **self.terms.to_json()}

    def to_ical(self) -> str:
        """Give it as the lines of iCalendar; terms and policies have no place there."""

        def line(name: str, *moments: datetime) -> str:
            return f"{name};TZID={self.tz}:" + ",".join(f"{at:%Y%m%dT%H%M%S}" for at in moments)

        lines = [line("DTSTART", self.start), f"RRULE:{self.text}"]
        lines += [line("EXDATE", *self.exdates)] if self.exdates else []
        lines += [line("RDATE", *self.rdates)] if self.rdates else []
        return "\n".join(lines)

    def describe(self) -> str:
        whole = with_days(self.parts, self.start)
        said = [
            f"{words(whole, self.start)}, from {self.start:%Y-%m-%d} on in {self.tz} "
            f"(rrule {self.text!r})"
        ]
        if self.exdates:
            said.append(f", left out on {len(self.exdates)} of them")
        if self.rdates:
            said.append(f", and on {len(self.rdates)} more")
        return "".join(said) + self.terms.describe()

    def _next(self, zone: Zone, after: Instant) -> Due | None:
        # A slotted dataclass is made anew, which `super()` does not know.
        due = CivilRule._next(self, zone, after)
        until = self.parts.until
        if isinstance(until, datetime) and until.tzinfo is not None:
            # Elsewhere the civil times are bounded already; here they have another order.
            while due and due.resolution != "plain" and due.at > until:
                if due.wall_time in self.rdates:
                    break
                due = CivilRule._next(self, zone, due.at)
        return due


def _begun(lines: Lines, start: str | datetime | None, tz: str | None) -> tuple[str, WallTime]:
    """Give the zone that a rule is read in, and the civil time that it begins with."""
    if lines.start is not None and start is not None:
        raise InvalidRule(f"start is given twice: {start!r:.60}, and DTSTART:{lines.start:.40}")
    if lines.zone is not None and tz is not None and lines.zone != tz:
        raise InvalidRule(f"tz is given twice: {tz!r:.60}, and TZID={lines.zone:.60}")
    if lines.start is None and start is None:
        raise InvalidRule("a recurrence rule needs start=, or a DTSTART line: it counts from there")
    moment = None if lines.start is None else read_moment("DTSTART", lines.start)
    name = lines.zone or tz
    if name is None and isinstance(moment, datetime) and moment.tzinfo is not None:
        name = "UTC"
    if name is None:
        raise InvalidRule("a recurrence rule needs tz=, or TZID in its DTSTART line")
    begun = _civil("start", start if moment is None else moment, get_zone(name))
    return name, begun


def _civil(name: str, value: object, zone: Zone) -> WallTime:
    """Read a civil time, a date as its first moment, or an instant; whole seconds."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        wall_time = zone.wall_time_at(value)
    elif isinstance(value, datetime) or not isinstance(value, date):
        wall_time = parse_wall_time(value)  # type: ignore[arg-type]
    else:
        wall_time = parse_wall_time(as_wall_time(value))
    if wall_time.microsecond:
        raise InvalidTime(f"{name} {wall_time.isoformat()} must be whole seconds (RFC 5545 3.3.12)")
    return wall_time


def _dates(
    name: str, given: object, lines: tuple[tuple[str, str | None], ...], tz: str
) -> tuple[WallTime, ...]:
    if isinstance(given, (str, date)) or not isinstance(given, Iterable):
        raise InvalidRule(f"{name} must be a list of civil times, got {given!r:.80}")
    found = {_civil(name, value, get_zone(tz)) for value in given}
    for text, zone in lines:
        moment = read_moment(name, text)
        if zone is not None and zone != tz and isinstance(moment, datetime):
            moment = moment.replace(tzinfo=get_zone(zone).info)
        found.add(_civil(name, moment, get_zone(tz)))
    if len(found) > MOST_DATES:
        raise InvalidRule(f"{name} has at most {MOST_DATES} dates, got {len(found)}")
    return tuple(sorted(found))


def _row(
    parts: Parts,
    begun: WallTime,
    zone: Zone,
    exdates: tuple[WallTime, ...],
    rdates: tuple[WallTime, ...],
) -> RecurrenceSet:
    of_rule = series(parts, begun)
    last: datetime | None = None
    if parts.count is not None:
        last = of_rule.nth_from(begun, parts.count)
    elif isinstance(parts.until, datetime):
        last = _until(parts.until, zone)
    elif parts.until is not None:
        last = datetime.combine(parts.until, _DAY_END)
    return RecurrenceSet(of_rule, begun, last, exdates, rdates)


def _until(until: datetime, zone: Zone) -> datetime:
    if until.tzinfo is None:
        return until
    reading = zone.wall_time_at(until)
    # In an overlap the other pass of a later reading may come before it: `_next` looks.
    change = zone.transition_until(until)
    if change and change.kind == "overlap" and reading < change.wall_time_before:
        return change.wall_time_before
    return reading
