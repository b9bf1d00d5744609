"""A cron expression in words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from duly.civil.cron_syntax import Days, Expression

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAY_NAMES = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_MOST_TIMES = 6
_HOURS = 24
_RUN = 3


def words(expression: Expression) -> str:
    """Say when an expression fires, without its zone."""
    times, days = _times(expression), _days(expression.days)
    # "every 5th minute" needs no "every day".
    if times.startswith("every") and " of " not in times:
        days = days.removeprefix("every day").strip()
    return f"{times} {days}".strip()


def _times(expression: Expression) -> str:
    seconds, minutes, hours = expression.seconds, expression.minutes, expression.hours
    if len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        return f"at {listed([_clock(h, m, s) for h in hours for m in minutes for s in seconds])}"
    said = _some(hours, _HOURS, "hour")
    if minutes != (0,) or len(hours) == _HOURS:
        said = _within(_some(minutes, 60, "minute"), said, "every hour")
    if seconds != (0,):
        said = _within(_some(seconds, 60, "second"), said, "every minute")
    return said if said.startswith("every") else f"at {said}"


def _within(small: str, large: str, always: str) -> str:
    """Join "every minute" and "every hour" to the first of them; anything else as it is."""
    return small if large == always and small.startswith("every") else f"{small} of {large}"


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _some(numbers: Sequence[int], size: int, unit: str) -> str:
    if len(numbers) == size:
        return f"every {unit}"
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    step = steps.pop() if len(steps) == 1 else 1
    # From the first to the last of them, as "*/15" is.
    if step > 1 and numbers[0] < step and numbers[-1] + step >= size:
        offset = f" from {unit} {numbers[0]}" if numbers[0] else ""
        return f"every {ordinal(step)} {unit}{offset}"
    return f"{unit} {listed(_runs(numbers))}"


def _runs(numbers: Sequence[int]) -> list[str]:
    """Join three or more that follow each other: 9 to 17."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [
        said
        for run in runs
        for said in ([f"{run[0]} to {run[-1]}"] if len(run) >= _RUN else map(str, run))
    ]


def _days(days: Days) -> str:
    monthly, weekly = _of_month(days), _of_week(days)
    link = " or " if days.either else ", if it is "
    if monthly and weekly:
        said = f"on {monthly}{link}{weekly}"
    elif monthly or weekly:
        said = f"on {monthly or weekly}"
    else:
        said = "every day"
    if len(days.months) < len(MONTH_NAMES):
        said += f" in {listed(named(days.months, MONTH_NAMES, 1))}"
    return said


def _of_month(days: Days) -> str:
    if len([day for day in days.month_days if day > 0]) == 31:
        return ""
    numbers = [day for day in days.month_days if day > 0]
    said = [f"day {listed(_runs(numbers))}"] if numbers else []
    for day in sorted((day for day in days.month_days if day < 0), reverse=True):
        said.append("the last day" if day == -1 else f"{-1 - day} days before the last day")
    said += [f"the weekday nearest day {day}" for day in days.nearest]
    if days.last_weekday:
        said.append("the last weekday")
    return f"{listed(said)} of the month" if said else ""


def _of_week(days: Days) -> str:
    if len(days.weekdays) == len(WEEKDAY_NAMES):
        return ""
    said = named(days.weekdays, WEEKDAY_NAMES, 0)
    said += [
        f"the {ORDINALS[number]} {WEEKDAY_NAMES[weekday]} of the month"
        for number, weekday in days.numbered
    ]
    return listed(said)


def named(numbers: Sequence[int], names: Sequence[str], first: int) -> list[str]:
    """Give names for numbers, three or more that follow each other as a range."""
    said = []
    for run in _runs(numbers):
        ends = [names[int(number) - first] for number in run.split(" to ")]
        said.append(" to ".join(ends))
    return said


def listed(items: Sequence[str]) -> str:
    """Join items as "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def ordinal(number: int) -> str:
    """Write 2 as "2nd"."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"
