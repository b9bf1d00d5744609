"""The text of a recurrence rule, part by part, and the lines that may stand around it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple, cast

from duly.civil.days import Skip
from duly.civil.instants import WallTime
from duly.errors import InvalidRule

LONGEST_TEXT = 16_384
FREQUENCIES = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SKIPS = {"OMIT": "omit", "BACKWARD": "backward", "FORWARD": "forward"}
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_SIGNED = re.compile(r"[+-]?[0-9]{1,3}", re.ASCII)
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_MOMENT = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?", re.ASCII)
_FOLD = re.compile(r"\r?\n[ \t]")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a recurrence rule. Source: RFC 5545 3.3.10 and RFC 7529."""

    freq: str
    interval: int = 1
    count: int | None = None
    until: date | datetime | None = None
    """A date; a naive civil time; or an aware instant."""
    by_second: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_hour: tuple[int, ...] = ()
    by_day: tuple[int, ...] = ()
    """Weekdays without a number; Monday is 0."""
    by_numbered_day: tuple[tuple[int, int], ...] = ()
    """(2, 0) is the second Monday, (-1, 4) the last Friday."""
    by_month_day: tuple[int, ...] = ()
    by_year_day: tuple[int, ...] = ()
    by_week: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    week_start: int = 0
    skip: Skip = "omit"


class Lines(NamedTuple):
    """A recurrence as iCalendar writes it, its values not yet read."""

    rule: str
    start: str | None
    zone: str | None
    exdates: tuple[tuple[str, str | None], ...]
    """Each with the zone that its line names."""
    rdates: tuple[tuple[str, str | None], ...]


def read_lines(text: object) -> Lines:
    """Take apart the lines DTSTART, RRULE, EXDATE and RDATE, or a rule on its own.

    Raises InvalidRule naming the line.
    """
    if not isinstance(text, str):
        raise InvalidRule(f"a recurrence rule must be text, got {text!r:.80}")
    if len(text) > LONGEST_TEXT:
        raise InvalidRule(f"a recurrence has at most {LONGEST_TEXT} characters, got {len(text)}")
    rules, starts = [], []
    dates: dict[str, list[tuple[str, str | None]]] = {"EXDATE": [], "RDATE": []}
    for line in filter(None, (line.strip() for line in _FOLD.sub("", text).splitlines())):
        head, colon, value = line.partition(":")
        if not colon:
            head, value = "RRULE", line
        name, *parameters = head.upper().split(";")
        zone = _zone(head, parameters, line)
        match name:
            case "RRULE" if not parameters:
                rules.append(value)
            case "DTSTART":
                starts.append((value, zone))
            case "EXDATE" | "RDATE":
                dates[name] += [(one.strip(), zone) for one in value.split(",")]
            case _:
                raise InvalidRule(
                    f"recurrence line {line!r:.80} is none of DTSTART, RRULE, EXDATE and RDATE"
                )
    if len(rules) != 1 or len(starts) > 1:
        raise InvalidRule(
            f"a recurrence has one RRULE, got {len(rules)}, and at most one DTSTART, "
            f"got {len(starts)}"
        )
    start, zone = starts[0] if starts else (None, None)
    return Lines(rules[0], start, zone, tuple(dates["EXDATE"]), tuple(dates["RDATE"]))


def _zone(head: str, parameters: list[str], line: str) -> str | None:
    zone = None
    for position, parameter in enumerate(parameters, start=1):
        name, _, value = parameter.partition("=")
        if name == "TZID":
            # Names of zones are written in lower case too.
            zone = head.split(";")[position].partition("=")[2].strip('"')
        elif name == "VALUE" and value in ("DATE", "DATE-TIME"):
            continue
        elif name == "VALUE":
            raise InvalidRule(f"{line!r:.80}: values are dates or date-times here, not {value}")
        else:
            raise InvalidRule(f"{line!r:.80}: unknown parameter {name!r:.40}")
    return zone


def read_moment(name: str, text: str) -> date | datetime:
    """Read "20260105", "20260105T090000" (naive) or "20260105T090000Z" (aware).

    Raises InvalidRule naming the field.
    """
    found = _MOMENT.fullmatch(text.upper())
    try:
        if found and found[2] is None:
            return datetime.strptime(found[1], "%Y%m%d").date()  # noqa: DTZ007 - a date
        if found:
            second = min(int(found[2][4:]), 59) if found[2][4:] == "60" else int(found[2][4:])
            at = time(int(found[2][:2]), int(found[2][2:4]), second)
            moment = datetime.combine(datetime.strptime(found[1], "%Y%m%d").date(), at)  # noqa: DTZ007
            return moment.replace(tzinfo=UTC) if found[3] else moment
    except ValueError:
        pass
    raise InvalidRule(f"{name} {text!r:.40} is no date or time such as 20260105T090000")


def as_wall_time(moment: date | datetime) -> datetime:
    """Give a date as its first moment."""
    return moment if isinstance(moment, datetime) else WallTime(datetime.combine(moment, time(0)))


def parse(text: str) -> Parts:
    """Read the parts of a rule, "FREQ=MONTHLY;BYDAY=-1FR".

    Raises InvalidRule naming the part, and what the standard says of it.
    """
    given: dict[str, Any] = {}
    for part in text.strip().rstrip(";").split(";"):
        name, equals, value = (one.strip() for one in part.upper().partition("="))
        reader = _READERS.get(name)
        if reader is None or not equals:
            known = ", ".join(_READERS)
            raise InvalidRule(f"rrule {text!r:.120}: unknown part {part!r:.40}; known: {known}")
        field, read = reader
        if field in given:
            raise InvalidRule(f"rrule {text!r:.120}: {name} stands there twice")
        try:
            given[field] = read(name, value)
        except _Wrong as wrong:
            raise InvalidRule(f"rrule {text!r:.120}: {name} {value!r:.60} {wrong}") from None
    given.pop("scale", None)
    if "freq" not in given:
        raise InvalidRule(f"rrule {text!r:.120} has no FREQ; it is one of {', '.join(FREQUENCIES)}")
    weekdays = given.pop("weekdays", ((), ()))
    parts = Parts(by_day=weekdays[0], by_numbered_day=weekdays[1], **given)
    if problem := _problem(parts):
        raise InvalidRule(f"rrule {text!r:.120}: {problem} (RFC 5545 3.3.10)")
    return parts


def _problem(parts: Parts) -> str:
    """Say which of the standard's restrictions a rule breaks; empty where none."""
    freq = parts.freq
    limits = {
        "BYWEEKNO goes with FREQ=YEARLY only": parts.by_week and freq != "YEARLY",
        "BYYEARDAY does not go with FREQ=DAILY, WEEKLY or MONTHLY": parts.by_year_day
        and freq in ("DAILY", "WEEKLY", "MONTHLY"),
        "BYMONTHDAY does not go with FREQ=WEEKLY": parts.by_month_day and freq == "WEEKLY",
        "a number in BYDAY goes with FREQ=MONTHLY or YEARLY only": parts.by_numbered_day
        and freq not in ("MONTHLY", "YEARLY"),
        "a number in BYDAY does not go with BYWEEKNO": parts.by_numbered_day and parts.by_week,
        "COUNT and UNTIL do not go together": parts.count and parts.until,
        "BYSETPOS needs another BY part": parts.by_position and not _narrows(parts),
    }
    return next((rule for rule, broken in limits.items() if broken), "")


def _narrows(parts: Parts) -> bool:
    return any(
        (
            parts.by_second,
            parts.by_minute,
            parts.by_hour,
            parts.by_day,
            parts.by_numbered_day,
            parts.by_month_day,
            parts.by_year_day,
            parts.by_week,
            parts.by_month,
        )
    )


class _Wrong(Exception):
    """What a part's value should be."""


def _frequency(name: str, value: str) -> str:
    if value not in FREQUENCIES:
        raise _Wrong(f"is not one of {', '.join(FREQUENCIES)}")
    return value


def _scale(name: str, value: str) -> str:
    if value != "GREGORIAN":
        raise _Wrong("is not GREGORIAN, the only calendar scale there is here")
    return value


def _positive(name: str, value: str) -> int:
    if not _WHOLE.fullmatch(value) or int(value) < 1:
        raise _Wrong("is not a whole number from 1 to 999999999")
    return int(value)


def _until(name: str, value: str) -> date | datetime:
    try:
        return read_moment(name, value)
    except InvalidRule:
        raise _Wrong("is no date or time such as 20261231 or 20261231T225959Z") from None


def _numbers(low: int, high: int) -> Callable[[str, str], tuple[int, ...]]:
    """Read a list of whole numbers; below 0 too where `low` is."""
    said = f"{low} to {high}" if low >= 0 else f"1 to {high} or {low} to -1"

    def read(name: str, value: str) -> tuple[int, ...]:
        found = set()
        for item in value.split(","):
            number = int(item) if _SIGNED.fullmatch(item) else None
            if number is None or not low <= number <= high or (number == 0 and low < 0):
                raise _Wrong(f"is not a list of {said}")
            found.add(number)
        return tuple(sorted(found))

    return read


def _seconds(name: str, value: str) -> tuple[int, ...]:
    # Clocks here have no leap seconds: the 61st second of a minute is its 60th.
    return tuple(sorted({min(second, 59) for second in _numbers(0, 60)(name, value)}))


def _weekdays(name: str, value: str) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    plain, numbered = set(), set()
    for item in value.split(","):
        found = _DAY.fullmatch(item)
        number = int(found[1]) if found and found[1] else None
        if found is None or number == 0 or (number is not None and abs(number) > 53):
            raise _Wrong("is not a list of MO to SU, with numbers 1 to 53 or -53 to -1 before them")
        weekday = WEEKDAYS.index(found[2])
        if number is None:
            plain.add(weekday)
        else:
            numbered.add((number, weekday))
    return tuple(sorted(plain)), tuple(sorted(numbered))


def _week_start(name: str, value: str) -> int:
    if value not in WEEKDAYS:
        raise _Wrong(f"is not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(value)


def _skip(name: str, value: str) -> Skip:
    if value not in _SKIPS:
        raise _Wrong(f"is not one of {', '.join(_SKIPS)} (RFC 7529)")
    return cast("Skip", _SKIPS[value])


_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "FREQ": ("freq", _frequency),
    "INTERVAL": ("interval", _positive),
    "COUNT": ("count", _positive),
    "UNTIL": ("until", _until),
    "BYSECOND": ("by_second", _seconds),
    "BYMINUTE": ("by_minute", _numbers(0, 59)),
    "BYHOUR": ("by_hour", _numbers(0, 23)),
    "BYDAY": ("weekdays", _weekdays),
    "BYMONTHDAY": ("by_month_day", _numbers(-31, 31)),
    "BYYEARDAY": ("by_year_day", _numbers(-366, 366)),
    "BYWEEKNO": ("by_week", _numbers(-53, 53)),
    "BYMONTH": ("by_month", _numbers(1, 12)),
    "BYSETPOS": ("by_position", _numbers(-366, 366)),
    "WKST": ("week_start", _week_start),
    "SKIP": ("skip", _skip),
    "RSCALE": ("scale", _scale),
}
