"""What a rule may cost, however it is written: counted in calls, so that no machine is too slow.

A million calls take some 50 ms, so that a rule which never comes is refused within 20 ms, and
the next time of any other is found within 20. The rules have at most 1,024 characters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Any

import pytest

from duly.civil import days, recurrence, series
from duly.civil.instants import as_instant
from duly.civil.rrule import RRule
from duly.errors import InvalidRule

START = datetime(2026, 1, 5, 9)
MOST_TO_REFUSE = 400_000
# COUNT is worked out once, day by day where days differ.
MOST_TO_BUILD = 1_500_000
MOST_TO_SEEK = 400_000
LONGEST = 1024
HOURS = "BYHOUR=" + ",".join(map(str, range(24)))
MINUTES = "BYMINUTE=" + ",".join(map(str, range(60)))
SECONDS = "BYSECOND=" + ",".join(map(str, range(60)))
EVERY_SECOND = f"{HOURS};{MINUTES};{SECONDS}"
LEAP_DAY = "BYMONTH=2;BYMONTHDAY=29"
# From before the start to the end of the supported years, and into a change of the clocks.
ASKED = [datetime(1970, 1, 2), START, datetime(2047, 3, 10, 6, 30), datetime(2099, 12, 31, 23)]


def _numbers(first: int, last: int) -> str:
    return ",".join(map(str, range(first, last + 1)))


# 86,400 is divided by none of 7, 11, 13, 23; 999,999,937 is prime.
NEVER = {
    "february-30": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "april-31": "FREQ=MONTHLY;BYMONTH=4,6,9,11;BYMONTHDAY=31",
    "daily-february-30": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "secondly-february-30": f"FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;{EVERY_SECOND}",
    "steps-in-february-30": "FREQ=SECONDLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=30",
    "day-366-in-january": "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
    "week-53-in-june": "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6;BYDAY=MO",
    "hour-never-reached": "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
    "minute-never-reached": "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
    "second-never-reached": "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=3",
    "second-of-days-never-reached": f"FREQ=SECONDLY;INTERVAL=172800;{MINUTES};BYSECOND=1",
    "weekday-never-reached": "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
    "month-never-reached": "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
    "leap-day-never-reached": f"FREQ=YEARLY;INTERVAL=4;{LEAP_DAY}",
    "long-steps-to-a-leap-day": f"FREQ=SECONDLY;INTERVAL=999999937;{LEAP_DAY};BYHOUR=9",
    "longest-steps": "FREQ=MONTHLY;INTERVAL=999999999;BYMONTHDAY=1",
    "minutes-that-never-hit": f"FREQ=MINUTELY;INTERVAL=1439;BYHOUR=5;BYMINUTE=7;{LEAP_DAY}",
    "second-of-a-second": f"FREQ=SECONDLY;BYSETPOS=2;{EVERY_SECOND}",
    "61st-of-a-minute": f"FREQ=MINUTELY;BYSETPOS=61;{EVERY_SECOND}",
    "366th-of-a-week": "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=366,-366",
    "until-the-day-before": "FREQ=SECONDLY;UNTIL=20260104",
}
COSTLY = {
    "hours-that-hit-rarely": f"FREQ=HOURLY;INTERVAL=25;BYHOUR=5;{LEAP_DAY}",
    "minutes-that-hit-rarely": "FREQ=MINUTELY;INTERVAL=1439;BYHOUR=5;BYMINUTE=7",
    "seconds-that-hit-rarely": f"FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3;{LEAP_DAY}",
    "longest-steps-of-hours": "FREQ=HOURLY;INTERVAL=999999",
    "longest-steps-of-minutes": "FREQ=MINUTELY;INTERVAL=9999999",
    "longest-steps-of-seconds": "FREQ=SECONDLY;INTERVAL=999999937",
    "longest-steps-of-weeks": "FREQ=WEEKLY;INTERVAL=999999999",
    "count-of-seconds": "FREQ=SECONDLY;COUNT=999999999",
    "count-of-steps": "FREQ=SECONDLY;INTERVAL=7;COUNT=999999999",
    "count-of-steps-in-march": "FREQ=SECONDLY;INTERVAL=13;BYMONTH=3;COUNT=999999999",
    "count-of-long-steps": "FREQ=SECONDLY;INTERVAL=86399;COUNT=999999999",
    "count-of-longer-steps": "FREQ=SECONDLY;INTERVAL=86401;COUNT=999999999",
    "count-of-days": f"FREQ=DAILY;{EVERY_SECOND};COUNT=999999999",
    "count-of-weeks-that-spill": f"FREQ=YEARLY;BYWEEKNO=1,53;{EVERY_SECOND};COUNT=999999999",
    "count-of-positions": f"FREQ=MONTHLY;{EVERY_SECOND};BYSETPOS={_numbers(1, 120)};COUNT=999999",
    "positions-of-seconds": f"FREQ=SECONDLY;INTERVAL=11;{EVERY_SECOND};BYSETPOS=1;COUNT=9999999",
    "positions-of-minutes": f"FREQ=MINUTELY;{SECONDS};BYSETPOS={_numbers(-60, -1)};COUNT=9999999",
    "positions-of-hours": f"FREQ=HOURLY;INTERVAL=7;{MINUTES};{SECONDS};BYSETPOS={_numbers(1, 170)}",
    "positions-of-weeks": f"FREQ=WEEKLY;{EVERY_SECOND};BYSETPOS={_numbers(-100, -1)}",
    "positions-of-years": f"FREQ=YEARLY;{EVERY_SECOND};BYSETPOS={_numbers(200, 320)};COUNT=999999",
    "numbered-weekdays": "FREQ=YEARLY;BYDAY=" + ",".join(f"{n}MO,-{n}FR" for n in range(1, 54)),
    "every-day-of-the-year": f"FREQ=YEARLY;BYYEARDAY={_numbers(1, 230)};COUNT=999999999",
    "all-weeks-and-moves": f"FREQ=YEARLY;BYWEEKNO={_numbers(1, 53)};{EVERY_SECOND};SKIP=FORWARD",
}


def calls(act: Callable[[], Any]) -> int:
    """Count the calls of one act, of Python's functions and of C's, with every cache empty."""
    for cached in [one for module in (days, recurrence, series) for one in vars(module).values()]:
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    made = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return made


def test_a_rule_above_is_as_long_as_is_said() -> None:
    assert max(map(len, [*NEVER.values(), *COSTLY.values()])) <= LONGEST


@pytest.mark.parametrize("text", NEVER.values(), ids=NEVER)
def test_a_rule_that_never_comes_is_refused_at_little_cost(text: str) -> None:
    def build() -> None:
        with pytest.raises(InvalidRule, match="never matches"):
            RRule(text, START, "America/New_York")

    assert calls(build) <= MOST_TO_REFUSE


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_rule_is_built_and_asked_at_little_cost(text: str) -> None:
    assert calls(lambda: RRule(text, START, "America/New_York")) <= MOST_TO_BUILD

    rule = RRule(text, START, "America/New_York")
    for after in ASKED:
        at = as_instant(after.replace(tzinfo=UTC))
        assert calls(partial(rule.next, at)) <= MOST_TO_SEEK, after
