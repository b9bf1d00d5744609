"""A recurrence rule in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from duly.civil.cron_words import (
    MONTH_NAMES,
    ORDINALS,
    WEEKDAY_NAMES,
    clock,
    listed,
    named,
    ordinal,
    runs,
)
from duly.civil.rrule_text import Parts

_UNITS = {
    "SECONDLY": "second",
    "MINUTELY": "minute",
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_FINER_THAN_DAILY = ("SECONDLY", "MINUTELY", "HOURLY")
_MOST_TIMES = 6
_MOST_POSITIONS = 6


def words(parts: Parts, start: datetime) -> str:
    """Say when a rule fires, its days filled in from its start; without its zone and start."""
    unit = _UNITS[parts.freq]
    step = "" if parts.interval == 1 else f"{ordinal(parts.interval)} "
    said = [f"every {step}{unit}"]
    if step and parts.freq in _FINER_THAN_DAILY:
        said.append(f"counted from {clock(start.hour, start.minute, start.second)}")
    said += [*_days(parts), *_times(parts, start)]
    if parts.by_position:
        said.append(f"of these the {_positions(parts.by_position)}")
    if parts.skip != "omit":
        said.append(f"missing days moved {parts.skip}")
    if parts.count:
        said.append("once in all" if parts.count == 1 else f"{parts.count} times in all")
    if parts.until:
        said.append(f"until {parts.until}".replace("+00:00", "Z"))
    return ", ".join(said)


def _days(parts: Parts) -> list[str]:
    said = []
    if parts.by_month:
        said.append(f"in {listed(named(parts.by_month, MONTH_NAMES, 1))}")
    if parts.by_week:
        said.append(f"in the {_positions(parts.by_week)} week of the year")
    if parts.by_year_day:
        said.append(f"on the {_positions(parts.by_year_day)} day of the year")
    if parts.by_month_day:
        said.append(f"on the {_positions(parts.by_month_day)} day of the month")
    weekdays = [
        *named(parts.by_day, WEEKDAY_NAMES, 0),
        *(f"the {_position(number)} {WEEKDAY_NAMES[day]}" for number, day in _counted(parts)),
    ]
    if weekdays:
        # Days of the month or year are narrowed, and weeks and months are filled.
        link = "if it is" if parts.by_month_day or parts.by_year_day else "on"
        said.append(f"{link} {listed(weekdays)}{_of_what(parts)}")
    return said


def _counted(parts: Parts) -> list[tuple[int, int]]:
    """Give the numbered weekdays, those that count from the end behind the others."""
    return sorted(parts.by_numbered_day, key=lambda one: _from_the_end(one[0]))


def _of_what(parts: Parts) -> str:
    if not parts.by_numbered_day:
        return ""
    return " of the year" if parts.freq == "YEARLY" and not parts.by_month else " of the month"


def _times(parts: Parts, start: datetime) -> list[str]:
    if parts.freq in _FINER_THAN_DAILY:
        minutes = parts.by_minute or ((start.minute,) if parts.freq == "HOURLY" else ())
        seconds = parts.by_second or ((start.second,) if parts.freq != "SECONDLY" else ())
        said = []
        if parts.by_hour:
            said.append(f"in hour {_numbers(parts.by_hour)}")
        if minutes:
            said.append(f"at minute {_numbers(minutes)}")
        if seconds and seconds != (0,):
            said.append(f"at second {_numbers(seconds)}")
        return said
    times = [
        clock(hour, minute, second)
        for hour in parts.by_hour or (start.hour,)
        for minute in parts.by_minute or (start.minute,)
        for second in parts.by_second or (start.second,)
    ]
    if len(times) > _MOST_TIMES:
        return [f"at {len(times)} times of the day"]
    return [f"at {listed(times)}"]


def _numbers(numbers: Sequence[int]) -> str:
    return listed(runs(numbers))


def _positions(numbers: Sequence[int]) -> str:
    """Say some positions, "first, 15th and last": those from the end behind the others."""
    if len(numbers) > _MOST_POSITIONS and numbers[0] > 0:
        spans = [run.split(" to ") for run in runs(numbers)]
        return listed([" to ".join(ordinal(int(end)) for end in span) for span in spans])
    return listed([_position(number) for number in sorted(numbers, key=_from_the_end)])


def _from_the_end(number: int) -> tuple[bool, int]:
    return number < 0, number


def _position(number: int) -> str:
    if number in ORDINALS:
        return ORDINALS[number]
    return ordinal(number) if number > 0 else f"{ordinal(-number)} to last"
