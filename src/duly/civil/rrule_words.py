"""A recurrence rule in words."""

from __future__ import annotations

from datetime import datetime

from duly.civil.cron_words import MONTH_NAMES, ORDINALS, WEEKDAY_NAMES, listed, named, ordinal
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
_MOST_TIMES = 6


def words(parts: Parts, start: datetime) -> str:
    """Say when a rule fires, its days filled in from its start; without its zone and start."""
    unit = _UNITS[parts.freq]
    step = "" if parts.interval == 1 else f"{ordinal(parts.interval)} "
    said = [f"every {step}{unit}", *_days(parts), *_times(parts, start)]
    if parts.by_position:
        said.append(f"of these the {listed([_position(place) for place in parts.by_position])}")
    if parts.skip != "omit":
        said.append(f"missing days moved {parts.skip}")
    if parts.count:
        said.append("once" if parts.count == 1 else f"{parts.count} times")
    if parts.until:
        said.append(f"until {parts.until.isoformat()}".replace("+00:00", "Z"))
    return ", ".join(said)


def _days(parts: Parts) -> list[str]:
    said = []
    if parts.by_month:
        said.append(f"in {listed(named(parts.by_month, MONTH_NAMES, 1))}")
    for numbers, name in (
        (parts.by_week, "week"),
        (parts.by_year_day, "day of the year"),
        (parts.by_month_day, "day of the month"),
    ):
        if numbers:
            said.append(f"on the {listed([_position(number) for number in numbers])} {name}")
    weekdays = named(parts.by_day, WEEKDAY_NAMES, 0)
    weekdays += [
        f"the {_position(number)} {WEEKDAY_NAMES[weekday]}"
        for number, weekday in parts.by_numbered_day
    ]
    if weekdays:
        said.append(f"on {listed(weekdays)}")
    return said


def _times(parts: Parts, start: datetime) -> list[str]:
    if parts.freq in ("SECONDLY", "MINUTELY", "HOURLY"):
        limits = (
            ("hour", parts.by_hour), ("minute", parts.by_minute), ("second", parts.by_second)
        )  # fmt: skip
        return [f"{unit} {listed([str(one) for one in some])}" for unit, some in limits if some]
    times = [
        f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"
        for hour in parts.by_hour or (start.hour,)
        for minute in parts.by_minute or (start.minute,)
        for second in parts.by_second or (start.second,)
    ]
    if len(times) > _MOST_TIMES:
        return [f"at {len(times)} times of the day"]
    return [f"at {listed(times)}"]


def _position(number: int) -> str:
    if number in ORDINALS:
        return ORDINALS[number]
    return ordinal(number) if number > 0 else f"{ordinal(-number)} to last"
