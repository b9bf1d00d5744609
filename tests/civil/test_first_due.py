"""The earliest due of a row of civil times, against the plain definition of it."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duly.civil.cron import Cron
from duly.civil.instants import EARLIEST, Instant, WallTime, as_instant
from duly.civil.resolve import FoldPolicy, GapPolicy, first_due, resolve
from duly.civil.tzdata import Zone
from duly.civil.zones import get_zone
from duly.errors import AmbiguousTime, NonexistentTime
from tests.civil import oracle

MINUTE = timedelta(minutes=1)
ZONES = [name for name in oracle.names() if get_zone(name).transition_after(EARLIEST)]
WITHOUT_REJECT_GAP = [policy for policy in get_args(GapPolicy) if policy != "reject"]
WITHOUT_REJECT_FOLD = [policy for policy in get_args(FoldPolicy) if policy != "reject"]


class Row:
    """A row of civil times that counts how many were taken from it."""

    def __init__(self, wall_times: list[datetime]) -> None:
        self.wall_times = sorted(set(wall_times))
        self.taken = 0

    def seek(self, start: datetime) -> WallTime | None:
        self.taken += 1
        position = bisect_left(self.wall_times, start)
        return WallTime(self.wall_times[position]) if position < len(self.wall_times) else None


@st.composite
def moments_near_a_change(draw: st.DrawFn) -> tuple[Zone, list[datetime], Instant]:
    """A zone, civil times around one of its changes, and an instant to start after."""
    zone = get_zone(draw(st.sampled_from(ZONES)))
    changes = zone.transitions(datetime(1971, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    change = draw(st.sampled_from(changes or zone.transitions(EARLIEST, oracle.END)))
    reach = int(abs(change.change) / MINUTE) * 2
    # On the change's own quarters, so that edges and shared instants are often met.
    step = MINUTE * draw(st.sampled_from([1, 15, 30, 60]))
    offsets = st.integers(-reach, reach)
    wall = [change.wall_time_before + step * n for n in draw(st.lists(offsets, max_size=12))]
    after = change.at + MINUTE * draw(offsets) + timedelta(microseconds=draw(st.integers(-1, 1)))
    return zone, list(wall), Instant(after)


@given(
    near=moments_near_a_change(),
    gap=st.sampled_from(WITHOUT_REJECT_GAP),
    fold=st.sampled_from(WITHOUT_REJECT_FOLD),
)
@settings(max_examples=600, deadline=None)
def test_it_is_the_least_of_all_instants_that_the_row_names(
    near: tuple[Zone, list[datetime], Instant], gap: GapPolicy, fold: FoldPolicy
) -> None:
    zone, wall_times, after = near
    named = [due for wall in wall_times for due in resolve(wall, zone, gap=gap, fold=fold)]
    later = [due.at for due in named if due.at > after]

    due = first_due(Row(wall_times).seek, zone, after, gap=gap, fold=fold)

    assert (due and due.at) == (min(later) if later else None)
    assert due is None or due in named


@pytest.mark.parametrize("gap", WITHOUT_REJECT_GAP)
@pytest.mark.parametrize("fold", WITHOUT_REJECT_FOLD)
@pytest.mark.parametrize(
    ("zone", "change"),
    [
        pytest.param("America/New_York", "2026-03-08T07:00", id="gap"),
        pytest.param("America/New_York", "2026-11-01T06:00", id="overlap"),
        pytest.param("Pacific/Apia", "2011-12-30T10:00", id="lost-day"),
    ],
)
def test_a_crowded_row_costs_no_more_near_a_change(
    zone: str, change: str, gap: GapPolicy, fold: FoldPolicy
) -> None:
    at = datetime.fromisoformat(change).replace(tzinfo=UTC)
    midnight = datetime(at.year, at.month, at.day) - timedelta(days=2)
    row = Row([midnight + MINUTE * count for count in range(5 * 24 * 60)])

    for hours in (-25, -1, 0, 1, 25):
        after = as_instant(at + timedelta(hours=hours, seconds=-1))
        first_due(row.seek, get_zone(zone), after, gap=gap, fold=fold)

    # Each of the five questions takes a few civil times; a gap or an overlap holds up to 1,440.
    assert row.taken <= 5 * 8


def test_a_rejected_gap_stops_the_row_there_and_not_before() -> None:
    rule = Cron("0 1,2 * * *", "America/New_York", gap="reject")
    first = rule.next(as_instant(datetime(2026, 3, 8, 5, 30, tzinfo=UTC)))

    assert first is not None
    assert first.wall_time == datetime(2026, 3, 8, 1, 0)
    with pytest.raises(NonexistentTime):
        rule.next(first.at)


def test_a_rejected_overlap_stops_the_row_there_and_not_before() -> None:
    rule = Cron("0 0,1 * * *", "America/New_York", fold="reject")
    first = rule.next(as_instant(datetime(2026, 11, 1, 3, 30, tzinfo=UTC)))

    assert first is not None
    assert first.wall_time == datetime(2026, 11, 1, 0, 0)
    with pytest.raises(AmbiguousTime):
        rule.next(first.at)


def test_what_is_read_again_after_an_overlap_is_not_passed_over_for_what_is_far() -> None:
    row = Row([datetime(2026, 11, 1, 1, 30), datetime(2027, 7, 4, 9, 0)])
    # 01:45, the first time: the row's next civil time is months ahead, but 01:30 comes again.
    after = as_instant(datetime(2026, 11, 1, 5, 45, tzinfo=UTC))

    due = first_due(row.seek, get_zone("America/New_York"), after, gap="shift", fold="second")

    assert due is not None
    assert due.at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_a_row_that_ends_inside_an_overlap_still_has_its_second_pass() -> None:
    row = Row([datetime(2026, 11, 1, 1, 30)])
    # 01:45, the first time: the row has nothing later, but 01:30 comes again.
    after = as_instant(datetime(2026, 11, 1, 5, 45, tzinfo=UTC))

    due = first_due(row.seek, get_zone("America/New_York"), after, gap="skip", fold="both")

    assert due is not None
    assert due.at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
