"""Rules of every kind with random terms, and instants near the changes of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from duly.civil.at import At
from duly.civil.calendars import BusinessCalendar
from duly.civil.cron import Cron
from duly.civil.every import Every
from duly.civil.instants import EARLIEST, Instant
from duly.civil.resolve import Due
from duly.civil.rrule import RRule
from duly.civil.rules import Rule
from duly.civil.tzdata import Transition
from duly.civil.zones import get_zone
from tests.civil import oracle

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
# Of an hour, half an hour, two and three hours, at midnight, on the way to another day.
HARD_ZONES = (
    "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana",
    "Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia", "America/Caracas", "Europe/Dublin",
    "America/Scoresbysund", "Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "UTC",
)  # fmt: skip
OFFICE = BusinessCalendar(
    hours=dict.fromkeys(["mon", "tue", "wed", "thu", "fri"], ("09:00", "17:00"))
)
CALENDARS = (
    BusinessCalendar(),
    BusinessCalendar(closed=["2026-03-30"], open=["2026-03-28", "2026-03-29"]),
    BusinessCalendar(weekend=["sun"]),
    BusinessCalendar(hours={"tue": ("02:00", "02:30"), "sun": ("01:30", "12:00")}),
    OFFICE,
)


def zones() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(HARD_ZONES), st.sampled_from(oracle.names()))


@st.composite
def changes(draw: st.DrawFn, zone: str) -> datetime:
    """An instant at which a zone changes its clocks; in a zone that never does, any."""
    found = get_zone(zone).transitions(oracle.START, oracle.END)
    if not found:
        return datetime(2026, 3, 29, 1, tzinfo=UTC)
    change: Transition = draw(st.sampled_from(found))
    return change.at


def instants(start: datetime, end: datetime) -> st.SearchStrategy[datetime]:
    """Instants of [start, end], on whole quarters and beside them."""
    quarters = int((end - start) / timedelta(minutes=15))
    return st.builds(
        lambda count, ticks: start + count * timedelta(minutes=15) + ticks * TICK,
        st.integers(0, quarters),
        st.integers(-1, 1),
    )


def policies() -> st.SearchStrategy[dict[str, Any]]:
    """How gaps and overlaps are resolved."""
    return st.fixed_dictionaries(
        {},
        optional={
            "gap": st.sampled_from(["shift", "next_valid", "earlier", "skip"]),
            "fold": st.sampled_from(["first", "second", "both"]),
        },
    )


CRON_TIMES = (
    "0 0", "30 2", "30 1", "0,30 1,2,3", "15 */2", "*/30 *", "45 23", "0 9-17", "*/15 1-3", "0 12",
)  # fmt: skip
CRON_DAYS = (
    "* * *",
    "* * *",
    "* * MON-FRI",
    "1,15,L * *",
    "*/2 * SUN",
    "LW * *",
    "* * SUNL",
    "13 * FRI",
)


def _cron_text() -> st.SearchStrategy[str]:
    return st.builds(
        lambda times, days: f"{times} {days}",
        st.sampled_from(CRON_TIMES),
        st.sampled_from(CRON_DAYS),
    )


RRULES = (
    "FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30",
    "FREQ=WEEKLY;BYDAY=MO,TU,SA,SU", "FREQ=MONTHLY;BYMONTHDAY=-1,1,29", "FREQ=HOURLY",
    "FREQ=HOURLY;INTERVAL=3", "FREQ=MINUTELY;INTERVAL=20", "FREQ=DAILY;COUNT=30",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=YEARLY;BYDAY=-1SU,1SU,2SU",
    "FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD", "FREQ=HOURLY;BYHOUR=0,1,2,3;BYMINUTE=15,45",
)  # fmt: skip


@st.composite
def terms(draw: st.DrawFn, begun: datetime, *, windows: bool, moves: bool) -> dict[str, Any]:
    """Arguments that take effect within some days of an instant."""
    near = instants(begun, begun + 8 * DAY)
    found: dict[str, Any] = {}
    if windows and draw(st.booleans()):
        found["start"] = _said(draw, draw(near))
    if draw(st.integers(0, 2)) == 0:
        found["end"] = _said(draw, draw(near) + 10 * DAY)
    if draw(st.integers(0, 2)) == 0:
        found["max_occurrences"] = draw(st.integers(1, 40))
    if draw(st.integers(0, 2)) == 0:
        found["calendar"] = draw(st.sampled_from(CALENDARS))
        if moves:
            ways = ["skip", "next_business_day", "previous_business_day"]
            found["on_closed"] = draw(st.sampled_from(ways))
    if draw(st.integers(0, 2)) == 0:
        found["jitter"] = draw(st.sampled_from([TICK, timedelta(minutes=7), HOUR, DAY]))
        found["seed"] = draw(st.sampled_from(["", "rent", "7"]))
    return found


def _said(draw: st.DrawFn, moment: datetime) -> datetime | str:
    """Say a moment in one of the ways that there are."""
    civil = moment.replace(tzinfo=None)
    ways: list[datetime | str] = [moment, moment.isoformat(), civil, civil.isoformat()]
    return draw(st.sampled_from(ways))


@st.composite
def rules_near(draw: st.DrawFn, zone: str, begun: datetime) -> Cron | RRule | Every:
    """A recurring rule that fires within some days of an instant, anchored there."""
    kind = draw(st.sampled_from([Cron, RRule, Every]))
    more = draw(terms(begun, windows=kind is not RRule, moves=kind is not Every))
    rule: Cron | RRule | Every
    if kind is Cron:
        rule = Cron(draw(_cron_text()), zone, **draw(policies()), **more)
    elif kind is RRule:
        start = (begun - draw(st.integers(0, 40)) * HOUR).replace(
            tzinfo=None, second=0, microsecond=0
        )
        dates = st.lists(instants(begun, begun + 3 * DAY).map(_whole), max_size=2)
        rule = RRule(
            draw(st.sampled_from(RRULES)),
            start,
            zone,
            exdates=draw(dates),
            rdates=draw(dates),
            **draw(policies()),
            **more,
        )
    else:
        interval = draw(st.sampled_from([HOUR / 4, HOUR, 7 * HOUR, DAY, 97 * timedelta(minutes=1)]))
        anchor = draw(st.none() | instants(begun - 5 * DAY, begun + DAY))
        rule = Every(interval, anchor, zone, **more)
    return rule.anchored(Instant(begun), draw(st.sampled_from(["", "event"])))


def _whole(at: datetime) -> datetime:
    return at.replace(tzinfo=None, second=0, microsecond=0)


@st.composite
def any_rules(draw: st.DrawFn) -> Rule:
    """A rule of any kind; a recurring one may lack its anchor no more."""
    zone = draw(zones())
    begun = draw(changes(zone)) - DAY
    if draw(st.integers(0, 3)):
        return draw(rules_near(zone, begun))
    calendar = draw(st.none() | st.sampled_from(CALENDARS))
    return At(
        draw(instants(begun, begun + 2 * DAY)).replace(tzinfo=None),
        zone,
        gap=draw(st.sampled_from(["shift", "next_valid", "earlier"])),
        fold=draw(st.sampled_from(["first", "second", "both"])),
        calendar=calendar,
        on_closed="skip" if calendar is None else "next_business_day",
        jitter=draw(st.none() | st.timedeltas(TICK, DAY)),
        seed=draw(st.text(max_size=3)),
    )


def fired(rule: Rule, start: datetime, end: datetime) -> list[Due]:
    """Every firing in (start, end], asked for one after the other."""
    found: list[Due] = []
    after = Instant(start)
    while (due := rule.next(after)) and due.at <= end:
        assert due.at > after, (rule, after)
        found.append(due)
        after = due.at
    return found


def all_fired(rule: Rule, after: datetime = EARLIEST) -> list[datetime]:
    """Every firing of a rule that ends."""
    found: list[datetime] = []
    while due := rule.next(Instant(after)):
        assert due.at > after, (rule, after)
        found.append(due.at)
        after = due.at
        assert len(found) < 5000, rule
    return found
