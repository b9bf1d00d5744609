"""Rules in words, as `describe()` says them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from duly.civil.at import At
from duly.civil.calendars import BusinessCalendar
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.rrule import RRule


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("* * * * *", "every minute"),
        ("* * * * * *", "every second"),
        ("*/5 * * * *", "every 5th minute"),
        ("1-59/2 * * * *", "every 2nd minute from minute 1"),
        # It begins anew with each hour, so it is no 40th minute.
        ("*/40 * * * *", "at minute 0 and 40 of every hour"),
        ("@hourly", "every hour"),
        ("15 * * * *", "at minute 15 of every hour"),
        ("0 */2 * * *", "every 2nd hour"),
        ("30 */2 * * *", "at minute 30 of every 2nd hour every day"),
        ("30 15 * * * *", "at second 30 of minute 15 of every hour"),
        ("30 0 * * * *", "at second 30 of minute 0 of every hour"),
        ("*/10 * * * * *", "every 10th second"),
        ("15 30 8 * * *", "at 08:30:15 every day"),
        ("30 9,17 * * *", "at 09:30 and 17:30 every day"),
        ("0 9 * * MON-FRI", "at 09:00 on Monday to Friday"),
        ("0 9-17 * * MON-FRI", "every hour from 09:00 to 17:00 on Monday to Friday"),
        ("*/15 9-17 * * *", "every 15th minute from 09:00 to 17:45 every day"),
        ("* 9 * * *", "every minute from 09:00 to 09:59 every day"),
        ("0-10 9 * * *", "every minute from 09:00 to 09:10 every day"),
        ("* 9,12 * * MON", "every minute of hour 9 and 12 on Monday"),
        ("0-9 9-10 * * *", "at minute 0 to 9 of hour 9 and 10 every day"),
        ("0 22-23,0-5 * * *", "at minute 0 of hour 0 to 5, 22 and 23 every day"),
        ("*/5 * * JAN SUN", "every 5th minute on Sunday in January"),
        ("0 9 * JAN,MAR-JUN *", "at 09:00 every day in January and March to June"),
        ("0 0 29 2 *", "at 00:00 on day 29 of February"),
        ("0 0 1-7,15 * *", "at 00:00 on day 1 to 7 and 15 of the month"),
        ("0 0 */2 * *", "at 00:00 on every 2nd day from day 1 of the month"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 L-1 * *", "at 00:00 on the day before the last day of the month"),
        ("0 0 L-3 * *", "at 00:00 on the 3rd day before the last day of the month"),
        ("0 0 15W * *", "at 00:00 on the weekday (Monday to Friday) nearest day 15 of the month"),
        ("0 0 LW * *", "at 00:00 on the last weekday (Monday to Friday) of the month"),
        ("0 9 * * FRI#2", "at 09:00 on the second Friday of the month"),
        ("0 9 * * FRIL,MON", "at 09:00 on Monday and the last Friday of the month"),
        # Either day is enough, unless one begins with a star.
        ("0 9 13 * FRI", "at 09:00 on day 13 of the month, and also on Friday"),
        ("0 9 */2 * FRI", "at 09:00 on every 2nd day from day 1 of the month, if it is Friday"),
    ],
)
def test_a_cron_expression_is_said_in_words(expr: str, words: str) -> None:
    assert Cron(expr, "UTC").describe() == f"{words} in UTC (cron {expr!r})"


def test_days_that_must_both_match_are_said_so() -> None:
    rule = Cron("0 9 13 * FRI", "UTC", day_match="and")

    assert rule.describe().startswith("at 09:00 on day 13 of the month, if it is Friday in UTC")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FREQ=DAILY", "every day, at 09:30"),
        ("FREQ=DAILY;INTERVAL=2", "every 2nd day, at 09:30"),
        ("FREQ=DAILY;BYHOUR=9,12", "every day, at 09:30 and 12:30"),
        ("FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6", "every day, at 7 times of the day"),
        ("FREQ=DAILY;COUNT=10", "every day, at 09:30, 10 times in all"),
        ("FREQ=DAILY;COUNT=1", "every day, at 09:30, once in all"),
        ("FREQ=DAILY;UNTIL=20271224", "every day, at 09:30, until 2027-12-24"),
        (
            "FREQ=DAILY;UNTIL=20271224T100000Z",
            "every day, at 09:30, until 2027-12-24 10:00:00Z",
        ),
        ("FREQ=WEEKLY", "every week, on Monday, at 09:30"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", "every 2nd week, on Monday and Friday, at 09:30"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "every month, on the last Friday of the month, at 09:30"),
        (
            "FREQ=MONTHLY;BYDAY=1MO,-2TU",
            "every month, on the first Monday and the 2nd to last Tuesday of the month, at 09:30",
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "every month, on Monday to Friday, at 09:30, of these the last",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-1,1,15",
            "every month, on the first, 15th and last day of the month, at 09:30",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR",
            "every month, on the 13th day of the month, if it is Friday, at 09:30",
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD",
            "every month, on the 31st day of the month, at 09:30, missing days moved backward",
        ),
        ("FREQ=YEARLY", "every year, in January, on the fourth day of the month, at 09:30"),
        ("FREQ=YEARLY;BYDAY=20MO", "every year, on the 20th Monday of the year, at 09:30"),
        (
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
            "every year, in November, on the fourth Thursday of the month, at 09:30",
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "every year, in the 20th week of the year, on Monday, at 09:30",
        ),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "every 4th year, in November, on the 2nd to 8th day of the month, if it is Tuesday, "
            "at 09:30",
        ),
        ("FREQ=HOURLY;INTERVAL=3", "every 3rd hour, counted from 09:30, at minute 30"),
        (
            "FREQ=HOURLY;BYHOUR=9,10,11;BYMINUTE=0,30",
            "every hour, in hour 9 to 11, at minute 0 and 30",
        ),
        ("FREQ=MINUTELY;INTERVAL=15", "every 15th minute, counted from 09:30"),
        ("FREQ=SECONDLY;INTERVAL=90", "every 90th second, counted from 09:30"),
    ],
)
def test_a_recurrence_rule_is_said_in_words(text: str, words: str) -> None:
    rule = RRule(text, "2027-01-04T09:30", "UTC")

    assert rule.describe() == f"{words}, from 2027-01-04 on in UTC (rrule {text!r})"


def test_dates_added_and_left_out_are_said_by_their_number() -> None:
    rule = RRule(
        "FREQ=DAILY",
        "2027-01-04T09:30",
        "UTC",
        exdates=["2027-01-05T09:30"],
        rdates=["2027-01-05T10:00", "2027-01-05T11:00"],
        max_occurrences=4,
    )

    assert rule.describe().endswith(", left out on 1 of them, and on 2 more, 4 times at most")


def test_other_rules_are_said_in_words() -> None:
    office = BusinessCalendar("DE", open=["2027-01-02"], hours={"sat": ("09:00", "12:00")})
    once = At("2027-01-01T09:00", "UTC", calendar=office, on_closed="next_business_day")

    assert once.describe() == (
        "once at 2027-01-01 09:00:00 in UTC, moved on to the business days of DE with 1 open, "
        "within hours"
    )
    assert Every(timedelta(minutes=90)).describe() == "every 1 hour and 30 minutes"
    assert Every(timedelta(1, 3661, 500_000)).describe() == (
        "every 1 day, 1 hour, 1 minute and 1.5 seconds"
    )
    assert Every(timedelta(days=2), datetime(2027, 1, 1, tzinfo=UTC)).describe() == (
        "every 2 days from 2027-01-01 00:00:00Z"
    )
