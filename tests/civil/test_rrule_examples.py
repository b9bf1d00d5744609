"""Every example that RFC 5545 3.8.5.3 and RFC 7529 print for the Gregorian calendar.

Dates are written "1997 Sep 2 9-11 30": a year, a month, and its days up to the next name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from duly.civil.instants import EARLIEST, WallTime, as_instant
from duly.civil.rrule import RRule
from duly.civil.zones import get_zone

ZONE = "America/New_York"
SEPTEMBER_2 = "1997-09-02T09:00"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
EVERY_DAY = "BYDAY=SU,MO,TU,WE,TH,FR,SA"
TWENTY_MINUTES = [f"{hour:02}:{minute:02}" for hour in range(9, 17) for minute in (0, 20, 40)]
IN_JANUARY = "1998 Jan 1-31 1999 Jan 1-31 2000 Jan 1-31"


def on(said: str, *times: str) -> list[datetime]:
    """Read dates, each at the same times: 9:00 where none is given."""
    found, year, month = [], 0, 0
    for word in said.split():
        if word in MONTHS:
            month = MONTHS.index(word) + 1
        elif re.fullmatch("[0-9]{4}", word):
            year = int(word)
        else:
            first, _, last = word.partition("-")
            for day in range(int(first), int(last or first) + 1):
                found += [
                    datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{time}")
                    for time in times or ("09:00",)
                ]
    return found


def civil_times(rule: RRule) -> Iterator[WallTime]:
    after = EARLIEST
    while due := rule.next(after):
        # Every time of the examples exists once in New York.
        assert due.at == due.wall_time.replace(tzinfo=get_zone(ZONE).info).astimezone(UTC)
        yield due.wall_time
        after = due.at


# Those that end are listed whole.
WHOLE = {
    "daily-10-times": ("FREQ=DAILY;COUNT=10", SEPTEMBER_2, on("1997 Sep 2-11")),
    "daily-until-christmas-eve": (
        "FREQ=DAILY;UNTIL=19971224T000000Z",
        SEPTEMBER_2,
        on("1997 Sep 2-30 Oct 1-31 Nov 1-30 Dec 1-23"),
    ),
    "every-10-days-5-times": (
        "FREQ=DAILY;INTERVAL=10;COUNT=5",
        SEPTEMBER_2,
        on("1997 Sep 2 12 22 Oct 2 12"),
    ),
    "each-day-of-january-yearly": (
        f"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;{EVERY_DAY}",
        "1998-01-01T09:00",
        on(IN_JANUARY),
    ),
    "each-day-of-january-daily": (
        "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
        "1998-01-01T09:00",
        on(IN_JANUARY),
    ),
    "weekly-10-times": (
        "FREQ=WEEKLY;COUNT=10",
        SEPTEMBER_2,
        on("1997 Sep 2 9 16 23 30 Oct 7 14 21 28 Nov 4"),
    ),
    "weekly-until-christmas-eve": (
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        SEPTEMBER_2,
        on("1997 Sep 2 9 16 23 30 Oct 7 14 21 28 Nov 4 11 18 25 Dec 2 9 16 23"),
    ),
    "tuesdays-and-thursdays-until": (
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        SEPTEMBER_2,
        on("1997 Sep 2 4 9 11 16 18 23 25 30 Oct 2"),
    ),
    "tuesdays-and-thursdays-10-times": (
        "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
        SEPTEMBER_2,
        on("1997 Sep 2 4 9 11 16 18 23 25 30 Oct 2"),
    ),
    "three-days-of-every-other-week": (
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09-01T09:00",
        on("1997 Sep 1 3 5 15 17 19 29 Oct 1 3 13 15 17 27 29 31 Nov 10 12 14 24 26 28")
        + on("1997 Dec 8 10 12 22"),
    ),
    "two-days-of-every-other-week": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        SEPTEMBER_2,
        on("1997 Sep 2 4 16 18 30 Oct 2 14 16"),
    ),
    "first-friday-10-times": (
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09-05T09:00",
        on("1997 Sep 5 Oct 3 Nov 7 Dec 5 1998 Jan 2 Feb 6 Mar 6 Apr 3 May 1 Jun 5"),
    ),
    "first-friday-until": (
        "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
        "1997-09-05T09:00",
        on("1997 Sep 5 Oct 3 Nov 7 Dec 5"),
    ),
    "first-and-last-sunday": (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09-07T09:00",
        on("1997 Sep 7 28 Nov 2 30 1998 Jan 4 25 Mar 1 29 May 3 31"),
    ),
    "second-to-last-monday": (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09-22T09:00",
        on("1997 Sep 22 Oct 20 Nov 17 Dec 22 1998 Jan 19 Feb 16"),
    ),
    "second-and-fifteenth": (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        SEPTEMBER_2,
        on("1997 Sep 2 15 Oct 2 15 Nov 2 15 Dec 2 15 1998 Jan 2 15"),
    ),
    "first-and-last-day": (
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09-30T09:00",
        on("1997 Sep 30 Oct 1 31 Nov 1 30 Dec 1 31 1998 Jan 1 31 Feb 1"),
    ),
    "every-18-months": (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09-10T09:00",
        on("1997 Sep 10-15 1999 Mar 10-13"),
    ),
    "june-and-july": (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06-10T09:00",
        on("1997 Jun 10 Jul 10 1998 Jun 10 Jul 10 1999 Jun 10 Jul 10 2000 Jun 10 Jul 10")
        + on("2001 Jun 10 Jul 10"),
    ),
    "three-months-of-every-other-year": (
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03-10T09:00",
        on("1997 Mar 10 1999 Jan 10 Feb 10 Mar 10 2001 Jan 10 Feb 10 Mar 10")
        + on("2003 Jan 10 Feb 10 Mar 10"),
    ),
    "days-of-every-third-year": (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "1997-01-01T09:00",
        on("1997 Jan 1 Apr 10 Jul 19 2000 Jan 1 Apr 9 Jul 18 2003 Jan 1 Apr 10 Jul 19 2006 Jan 1"),
    ),
    "third-instance-into-the-month": (
        "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
        "1997-09-04T09:00",
        on("1997 Sep 4 Oct 7 Nov 6"),
    ),
    # As erratum 3883 has it: 9:00 to 17:00 in New York ends at 21:00 UTC.
    "every-3-hours-of-a-day": (
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z",
        SEPTEMBER_2,
        on("1997 Sep 2", "09:00", "12:00", "15:00"),
    ),
    # And as it was printed: 17:00 UTC is 13:00 there.
    "every-3-hours-before-the-erratum": (
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z",
        SEPTEMBER_2,
        on("1997 Sep 2", "09:00", "12:00"),
    ),
    "every-15-minutes-6-times": (
        "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
        SEPTEMBER_2,
        on("1997 Sep 2", "09:00", "09:15", "09:30", "09:45", "10:00", "10:15"),
    ),
    "every-90-minutes-4-times": (
        "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
        SEPTEMBER_2,
        on("1997 Sep 2", "09:00", "10:30", "12:00", "13:30"),
    ),
    "week-starts-on-monday": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "1997-08-05T09:00",
        on("1997 Aug 5 10 19 24"),
    ),
    "week-starts-on-sunday": (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "1997-08-05T09:00",
        on("1997 Aug 5 17 19 31"),
    ),
    "invalid-date-is-ignored": (
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "2007-01-15T09:00",
        on("2007 Jan 15 30 Feb 15 Mar 15 30"),
    ),
    # 3.3.10
    "ten-of-every-other-day": (
        "FREQ=DAILY;COUNT=10;INTERVAL=2",
        SEPTEMBER_2,
        on("1997 Sep 2 4 6 8 10 12 14 16 18 20"),
    ),
    # RFC 7529
    "the-31st-is-omitted": (
        "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=OMIT;COUNT=4",
        "2014-01-31T09:00",
        on("2014 Jan 31 Mar 31 May 31 Jul 31"),
    ),
    "the-31st-moves-backward": (
        "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;COUNT=4",
        "2014-01-31T09:00",
        on("2014 Jan 31 Feb 28 Mar 31 Apr 30"),
    ),
    "the-31st-moves-forward": (
        "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;COUNT=4",
        "2014-01-31T09:00",
        on("2014 Jan 31 Mar 1 31 May 1"),
    ),
}

# Of those that never end, what is printed.
HEADS = {
    "every-other-day": (
        "FREQ=DAILY;INTERVAL=2",
        SEPTEMBER_2,
        on("1997 Sep 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30")
        + on("1997 Oct 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30")
        + on("1997 Nov 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 Dec 1 3"),
    ),
    "every-other-week": (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        SEPTEMBER_2,
        on("1997 Sep 2 16 30 Oct 14 28 Nov 11 25 Dec 9 23 1998 Jan 6 20 Feb 3 17"),
    ),
    "third-to-last-day": (
        "FREQ=MONTHLY;BYMONTHDAY=-3",
        "1997-09-28T09:00",
        on("1997 Sep 28 Oct 29 Nov 28 Dec 29 1998 Jan 29 Feb 26"),
    ),
    "tuesdays-of-every-other-month": (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        SEPTEMBER_2,
        on("1997 Sep 2 9 16 23 30 Nov 4 11 18 25 1998 Jan 6 13 20 27 Mar 3 10 17 24 31"),
    ),
    "20th-monday": (
        "FREQ=YEARLY;BYDAY=20MO",
        "1997-05-19T09:00",
        on("1997 May 19 1998 May 18 1999 May 17"),
    ),
    "monday-of-week-20": (
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "1997-05-12T09:00",
        on("1997 May 12 1998 May 11 1999 May 17"),
    ),
    "thursdays-in-march": (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03-13T09:00",
        on("1997 Mar 13 20 27 1998 Mar 5 12 19 26 1999 Mar 4 11 18 25"),
    ),
    "thursdays-in-summer": (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06-05T09:00",
        on("1997 Jun 5 12 19 26 Jul 3 10 17 24 31 Aug 7 14 21 28")
        + on("1998 Jun 4 11 18 25 Jul 2 9 16 23 30 Aug 6 13 20 27")
        + on("1999 Jun 3 10 17 24 Jul 1 8 15 22 29 Aug 5 12 19 26"),
    ),
    "friday-the-13th": (
        f"DTSTART;TZID={ZONE}:19970902T090000\nEXDATE;TZID={ZONE}:19970902T090000\n"
        "RRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        None,
        on("1998 Feb 13 Mar 13 Nov 13 1999 Aug 13 2000 Oct 13"),
    ),
    "saturday-after-the-first-sunday": (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09-13T09:00",
        on("1997 Sep 13 Oct 11 Nov 8 Dec 13 1998 Jan 10 Feb 7 Mar 7 Apr 11 May 9 Jun 13"),
    ),
    "presidential-election-day": (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11-05T09:00",
        on("1996 Nov 5 2000 Nov 7 2004 Nov 2"),
    ),
    "second-to-last-weekday": (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09-29T09:00",
        on("1997 Sep 29 Oct 30 Nov 27 Dec 30 1998 Jan 29 Feb 26 Mar 30"),
    ),
    "every-20-minutes-daily": (
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        SEPTEMBER_2,
        on("1997 Sep 2 3", *TWENTY_MINUTES),
    ),
    "every-20-minutes-minutely": (
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
        SEPTEMBER_2,
        on("1997 Sep 2 3", *TWENTY_MINUTES),
    ),
    # 3.3.10
    "last-work-day-of-the-month": (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "1997-09-30T09:00",
        on("1997 Sep 30 Oct 31 Nov 28 Dec 31 1998 Jan 30 Feb 27"),
    ),
    "sundays-in-january-of-every-other-year": (
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30",
        "1997-01-05T08:30",
        on("1997 Jan 5 12 19 26 1999 Jan 3 10 17 24 31", "08:30", "09:30"),
    ),
    # RFC 7529
    "birthday-on-a-leap-day": (
        "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD",
        "2012-02-29T09:00",
        on("2012 Feb 29 2013 Mar 1 2014 Mar 1 2015 Mar 1 2016 Feb 29 2017 Mar 1"),
    ),
}


def _rule(text: str, start: str | None) -> RRule:
    return RRule(text, start, ZONE) if start else RRule(text)


@pytest.mark.parametrize(("text", "start", "printed"), WHOLE.values(), ids=WHOLE)
def test_an_example_that_ends_gives_what_is_printed(
    text: str, start: str, printed: list[datetime]
) -> None:
    assert list(islice(civil_times(_rule(text, start)), len(printed) + 1)) == printed


@pytest.mark.parametrize(("text", "start", "printed"), HEADS.values(), ids=HEADS)
def test_an_example_that_never_ends_begins_with_what_is_printed(
    text: str, start: str | None, printed: list[datetime]
) -> None:
    further = list(islice(civil_times(_rule(text, start)), len(printed) + 1))

    assert further[:-1] == printed
    assert len(further) == len(printed) + 1


@pytest.mark.parametrize(("text", "start", "printed"), HEADS.values(), ids=HEADS)
def test_each_time_of_an_example_is_found_from_just_before_it(
    text: str, start: str | None, printed: list[datetime]
) -> None:
    rule = _rule(text, start)

    for wanted in printed:
        at = wanted.replace(tzinfo=get_zone(ZONE).info)
        due = rule.next(as_instant(at - timedelta(seconds=1)))
        assert due is not None
        assert due.wall_time == wanted
