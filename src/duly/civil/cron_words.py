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
_HOURS, _SIXTY, _MONTH = 24, 60, 31
_RUN = 3


def words(expression: Expression) -> str:
    """Say when an expression fires, without its zone."""
    times, days = _times(expression), _days(expression.days)
    # "every 5th minute" needs no "every day".
    throughout = times.startswith("every") and " of " not in times and ":" not in times
    if throughout or times.endswith("every hour"):
        days = days.removeprefix("every day").strip()
    return f"{times} {days}".strip()


def _times(expression: Expression) -> str:
    seconds, minutes, hours = expression.seconds, expression.minutes, expression.hours
    if len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        return f"at {listed([clock(h, m, s) for h in hours for m in minutes for s in seconds])}"
    if seconds == (0,) and (said := _from_to(minutes, hours)):
        return said
    said = _some(hours, _HOURS, "hour")
    if minutes != (0,) or seconds != (0,) or not said.startswith("every"):
        said = _within(_some(minutes, _SIXTY, "minute"), said, "every hour")
    if seconds != (0,):
        said = _within(_some(seconds, _SIXTY, "second"), said, "every minute")
    return said if said.startswith("every") else f"at {said}"


def _from_to(minutes: Sequence[int], hours: Sequence[int]) -> str:
    """Say an even run of times, "every 15th minute from 09:00 to 17:45"; empty for others."""
    if len(hours) == _HOURS or hours[-1] - hours[0] + 1 != len(hours):
        return ""
    step = _step(minutes)
    whole = _SIXTY % step == 0 and _reaches(minutes, step, _SIXTY) if step else False
    if len(minutes) == 1:
        said = "every hour"
    elif step and (whole or len(hours) == 1):
        said = "every minute" if step == 1 else f"every {ordinal(step)} minute"
    else:
        return ""
    return f"{said} from {clock(hours[0], minutes[0], 0)} to {clock(hours[-1], minutes[-1], 0)}"


def _within(small: str, large: str, always: str) -> str:
    """Join "every minute" and "every hour" to the first of them; anything else as it is."""
    return small if large == always and small.startswith("every") else f"{small} of {large}"


def clock(hour: int, minute: int, second: int) -> str:
    """Write a time of day, its seconds only where there are some."""
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _some(numbers: Sequence[int], size: int, unit: str) -> str:
    if len(numbers) == size:
        return f"every {unit}"
    step = _step(numbers)
    # "*/40" is no 40th minute: it begins anew with each hour.
    if step > 1 and size % step == 0 and _reaches(numbers, step, size):
        offset = f" from {unit} {numbers[0]}" if numbers[0] else ""
        return f"every {ordinal(step)} {unit}{offset}"
    return f"{unit} {listed(runs(numbers))}"


def _step(numbers: Sequence[int]) -> int:
    """Give the step of numbers that are evenly apart; 0 where they are not."""
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    return steps.pop() if len(steps) == 1 else 0


def _reaches(numbers: Sequence[int], step: int, size: int) -> bool:
    """Say whether they go from the first to the last there is, as "*/15" does."""
    return numbers[0] < step and numbers[-1] + step >= size


def runs(numbers: Sequence[int]) -> list[str]:
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
    all_year = len(days.months) == len(MONTH_NAMES)
    months = "" if all_year else listed(named(days.months, MONTH_NAMES, 1))
    if monthly and not weekly:
        return f"on {monthly} of {months or 'the month'}"
    if monthly:
        # Either of them is enough, or both must be.
        said = f"on {monthly} of the month" + (
            f", and also on {weekly}" if days.either else f", if it is {weekly}"
        )
    else:
        said = f"on {weekly}" if weekly else "every day"
    return f"{said} in {months}" if months else said


def _of_month(days: Days) -> str:
    numbers = [day for day in days.month_days if day > 0]
    if len(numbers) == _MONTH:
        return ""
    step = _step(numbers)
    if len(numbers) > _RUN and step > 1 and numbers[-1] + step > _MONTH:
        said = [f"every {ordinal(step)} day from day {numbers[0]}"]
    else:
        said = [f"day {listed(runs(numbers))}"] if numbers else []
    for day in sorted((day for day in days.month_days if day < 0), reverse=True):
        before = "the day" if day == -2 else f"the {ordinal(-1 - day)} day"
        said.append("the last day" if day == -1 else f"{before} before the last day")
    said += [f"the weekday (Monday to Friday) nearest day {day}" for day in days.nearest]
    if days.last_weekday:
        said.append("the last weekday (Monday to Friday)")
    return listed(said)


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
    for run in runs(numbers):
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
