"""Business calendars: which days are open, and when; where a closed time is moved to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Literal, get_args

from duly.civil.instants import FIRST_YEAR, LAST_YEAR, WallTime
from duly.errors import InvalidRule

OnClosed = Literal["skip", "next_business_day", "previous_business_day"]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKEND = ("sat", "sun")
MOST_DAYS = 10_000
_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_LAST_MOMENT = time.max
# `fromisoformat` also takes week dates, and later Pythons the hour 24.
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):\d\d(:\d\d([.,]\d{1,6})?)?", re.ASCII)

Opening = tuple[time, time]
"""From when to when a day is open, both included."""


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Which days are business days, and within which hours.

    country, subdivision: ISO 3166 codes such as "DE" and "BY", for public holidays of the
        `holidays` library (extra `calendars`), read for the year in question.
    closed, open: further dates, as `datetime.date` or ISO 8601 text; `open` prevails over
        weekends, holidays and `closed`.
    weekend: weekdays ("mon" … "sun") that are closed; None: the country's, or Saturday
        and Sunday.
    hours: opening and closing time for each open weekday, {"mon": ("08:00", "18:00"), …},
        both times included; weekdays left out are closed. None: open all day.

    Raises InvalidRule naming the argument, also for a calendar that is never open.
    """

    country: str | None
    subdivision: str | None
    closed: tuple[date, ...]
    open: tuple[date, ...]
    weekend: tuple[str, ...] | None
    hours: tuple[tuple[str, Opening], ...] | None

    def __init__(
        self,
        country: str | None = None,
        subdivision: str | None = None,
        *,
        closed: Iterable[date | str] = (),
        open: Iterable[date | str] = (),  # noqa: A002 - the opposite of closed
        weekend: Iterable[str] | None = None,
        hours: Mapping[str, tuple[str | time, str | time]] | None = None,
    ) -> None:
        _check_code("country", country)
        _check_code("subdivision", subdivision)
        if subdivision is not None and country is None:
            raise InvalidRule(f"subdivision {subdivision!r:.40} needs a country")
        if hours is not None and weekend is not None:
            raise InvalidRule("weekend= goes without hours=: weekdays left out of it are closed")
        if country is not None:
            _public_holidays(country, subdivision, 2000)
        values = {
            "country": country,
            "subdivision": subdivision,
            "closed": _dates("closed", closed),
            "open": _dates("open", open),
            "weekend": None if weekend is None else _weekdays("weekend", weekend),
            "hours": None if hours is None else _hours(hours),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if not self.hours and hours is not None:
            raise InvalidRule("hours= names no weekday, so this calendar is never open")
        if self.weekend is not None and len(self.weekend) == len(WEEKDAYS) and not self.open:
            raise InvalidRule("weekend= names every weekday, so this calendar is never open")

    def opening(self, day: date) -> Opening | None:
        """Say from when to when a date is open; None when it is closed."""
        return _year(self, day.year)[day.timetuple().tm_yday - 1]

    def is_open(self, wall_time: datetime) -> bool:
        """Say whether a civil time is on a business day, within its hours."""
        opening = self.opening(wall_time.date())
        return opening is not None and opening[0] <= wall_time.time() <= opening[1]

    def opening_after(self, wall_time: datetime) -> WallTime | None:
        """Give the first civil time after one at which a business day opens."""
        opening = self.opening(wall_time.date())
        if opening is not None and wall_time.time() < opening[0]:
            return _at(wall_time.date(), opening[0])
        day = self.business_day(wall_time.date(), 1)
        return None if day is None else _at(day, _found(self.opening(day))[0])

    def business_day(self, start: date, step: Literal[1, -1]) -> date | None:
        """Give the business day nearest to a date on one side of it, that date left out.

        None where there is none within the supported years.
        """
        day = start + step * _DAY
        while FIRST_YEAR - 1 <= day.year <= LAST_YEAR:
            first, openings = date(day.year, 1, 1), _year(self, day.year)
            index = (day - first).days
            while 0 <= index < len(openings):
                if openings[index] is not None:
                    return first + index * _DAY
                index += step
            day = first + index * _DAY
        return None

    def moved(self, start: date, days: int) -> date:
        """Count business days forward, or backward when `days` is negative.

        Raises InvalidRule where the calendar ends before.
        """
        day = start
        for _ in range(abs(days)):
            found = self.business_day(day, 1 if days > 0 else -1)
            if found is None:
                raise InvalidRule(
                    f"{self.describe()} has no {abs(days)} business days from {start}"
                )
            day = found
        return day

    def place(self, wall_time: datetime, on_closed: OnClosed) -> WallTime | None:
        """Give the civil time that one is moved to; None when it is left out.

        From a closed day to the next or previous business day at the same time of day, or
        as near as its hours allow. From outside the hours of a business day to the
        opening or closing that is next or previous. An open time stays.
        """
        day, at = wall_time.date(), wall_time.time()
        opening = self.opening(day)
        if opening is not None and opening[0] <= at <= opening[1]:
            return WallTime(wall_time)
        if on_closed == "skip":
            return None
        forward = on_closed == "next_business_day"
        if opening is not None and (at < opening[0]) == forward:
            return _at(day, opening[0] if forward else opening[1])
        target = self.business_day(day, 1 if forward else -1)
        if target is None:
            return None
        first, last = _found(self.opening(target))
        if opening is not None:
            return _at(target, first if forward else last)
        return _at(target, min(max(at, first), last))

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data, without what is left at its default."""
        said: dict[str, Any] = {
            "country": self.country,
            "subdivision": self.subdivision,
            "closed": [day.isoformat() for day in self.closed] or None,
            "open": [day.isoformat() for day in self.open] or None,
            "weekend": None if self.weekend is None else list(self.weekend),
            "hours": None
            if self.hours is None
            else {day: [first.isoformat(), last.isoformat()] for day, (first, last) in self.hours},
        }
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def from_json(cls, data: object) -> BusinessCalendar:
        """Give the calendar that JSON data says. Raises InvalidRule naming the field."""
        if not isinstance(data, Mapping):
            raise InvalidRule(f"calendar must be a JSON object, got {data!r:.80}")
        known = {"country", "subdivision", "closed", "open", "weekend", "hours"}
        if unknown := set(data) - known:
            names = ", ".join(sorted(map(str, unknown)))
            raise InvalidRule(f"a calendar has no field {names:.80}")
        return cls(**data)

    def describe(self) -> str:
        """Say which calendar it is."""
        place = "-".join(filter(None, [self.country, self.subdivision]))
        said = f"the business days of {place}" if place else "business days"
        if self.closed:
            said += f" without {len(self.closed)} closed"
        if self.open:
            said += f" with {len(self.open)} open"
        return f"{said}, within hours" if self.hours else said


def check_calendar(calendar: object, on_closed: object) -> None:
    """Raise InvalidRule for what is no calendar, or a policy that does not exist."""
    if calendar is not None and not isinstance(calendar, BusinessCalendar):
        raise InvalidRule(f"calendar must be a BusinessCalendar, got {calendar!r:.80}")
    if on_closed not in get_args(OnClosed):
        known = ", ".join(get_args(OnClosed))
        raise InvalidRule(f"on_closed must be one of {known}; got {on_closed!r:.60}")
    if calendar is None and on_closed != "skip":
        raise InvalidRule(f"on_closed={on_closed!r} needs a calendar=")


@lru_cache(maxsize=2048)
def _year(calendar: BusinessCalendar, year: int) -> tuple[Opening | None, ...]:
    """Give the opening of each day of a year."""
    first = date(year, 1, 1)
    length = (date(year + 1, 1, 1) - first).days
    hours = dict(calendar.hours) if calendar.hours is not None else None
    weekend = calendar.weekend
    holidays: frozenset[date] = frozenset()
    if calendar.country is not None:
        holidays, usual = _public_holidays(calendar.country, calendar.subdivision, year)
        weekend = usual if weekend is None else weekend
    weekend = WEEKEND if weekend is None else weekend
    closed, opened = frozenset(calendar.closed) | holidays, frozenset(calendar.open)

    def opening(day: date) -> Opening | None:
        name = WEEKDAYS[day.weekday()]
        if day not in opened and (day in closed or (hours is None and name in weekend)):
            return None
        if hours is None:
            return _MIDNIGHT, _LAST_MOMENT
        if name in hours:
            return hours[name]
        # A date opened by hand on a weekday without hours has those of the others.
        return (
            (min(low for low, _ in hours.values()), max(high for _, high in hours.values()))
            if (day in opened)
            else None
        )

    return tuple(opening(first + count * _DAY) for count in range(length))


@lru_cache(maxsize=4096)
def _public_holidays(
    country: str, subdivision: str | None, year: int
) -> tuple[frozenset[date], tuple[str, ...]]:
    """Give a year's public holidays, and the weekdays that are the weekend there."""
    try:
        import holidays
    except ImportError:
        raise InvalidRule(
            f"holidays of {country!r:.40} need the extra 'calendars': pip install 'duly[calendars]'"
        ) from None
    try:
        # Asked for any other name, it gives whatever it has of that name.
        if country not in holidays.list_supported_countries(include_aliases=True):
            raise NotImplementedError
        found = holidays.country_holidays(country, subdiv=subdivision, years=year)
    except NotImplementedError:
        place = f"{country!r:.40}" + (
            f" with subdivision {subdivision!r:.40}" if subdivision else ""
        )
        raise InvalidRule(
            f"no holidays are known of country {place}; use ISO 3166 codes such as 'DE' and "
            "'BY', or list the dates in closed="
        ) from None
    return frozenset(found), tuple(WEEKDAYS[day] for day in sorted(found.weekend))


def _check_code(name: str, code: object) -> None:
    if code is not None and (not isinstance(code, str) or not code):
        raise InvalidRule(f"{name} must be a code such as 'DE', got {code!r:.40}")


def _dates(name: str, values: object) -> tuple[date, ...]:
    if isinstance(values, (str, date)) or not isinstance(values, Iterable):
        raise InvalidRule(f"{name} must be a list of dates, got {values!r:.80}")
    days = {_date(name, value) for value in values}
    if len(days) > MOST_DAYS:
        raise InvalidRule(f"{name} has at most {MOST_DAYS} dates, got {len(days)}")
    return tuple(sorted(days))


def _date(name: str, value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise InvalidRule(f"{name} holds {value!r:.40}, which is not a date such as '2026-12-24'")


def _weekdays(name: str, values: object) -> tuple[str, ...]:
    found = set()
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidRule(f"{name} must be a list of weekdays, got {values!r:.80}")
    for value in values:
        said = value.lower() if isinstance(value, str) else ""
        if said not in WEEKDAYS and said not in _FULL_NAMES:
            raise InvalidRule(f"{name} holds {value!r:.40}; weekdays are {', '.join(WEEKDAYS)}")
        found.add(said[:3])
    return tuple(sorted(found, key=WEEKDAYS.index))


def _hours(values: object) -> tuple[tuple[str, Opening], ...]:
    if not isinstance(values, Mapping):
        raise InvalidRule(f"hours must be like {{'mon': ('08:00', '18:00')}}, got {values!r:.80}")
    found = {}
    for day, pair in values.items():
        (name,) = _weekdays("hours", [day])
        if name in found:
            raise InvalidRule(f"hours names {name} twice")
        match pair:
            case (first, last):
                low, high = _time(day, first), _time(day, last)
            case _:
                raise InvalidRule(f"hours of {day} must be (opening, closing), got {pair!r:.60}")
        if low >= high:
            raise InvalidRule(f"hours of {day} must open before they close, got {first} to {last}")
        found[name] = (low, high)
    return tuple(sorted(found.items(), key=lambda item: WEEKDAYS.index(item[0])))


def _time(day: object, value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return time.fromisoformat(value.replace(",", "."))
        except ValueError:
            pass
    raise InvalidRule(f"hours of {day} hold {value!r:.40}, which is no time of day such as '08:00'")


def _at(day: date, moment: time) -> WallTime:
    # The last moment of a day that is open throughout is no time to fire at: its second is.
    whole = moment.replace(microsecond=0) if moment == _LAST_MOMENT else moment
    return WallTime(datetime.combine(day, whole))


def _found(opening: Opening | None) -> Opening:
    assert opening is not None
    return opening
