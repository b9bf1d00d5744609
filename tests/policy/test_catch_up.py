"""Which firings an outage prevented are made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.errors import InvalidEvent
from duly.policy.catch_up import MISFIRE_AFTER, CaughtUp, catch_up
from duly.policy.handling import CatchUp, Handling
from duly.policy.retry import Retry

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Slots:
    """Due instants, and what became of each while one event was brought up to `now`."""

    def __init__(self, ats: list[datetime]) -> None:
        self.ats = sorted(set(ats))
        self.fired: list[datetime] = []
        self.missed: list[datetime] = []

    def next_at(self, after: datetime) -> datetime | None:
        return next((at for at in self.ats if at > after), None)

    def run(self, now: datetime, handling: Handling) -> datetime | None:
        """Do what the engine does until nothing is due; gives where the event is left."""
        at: datetime | None = self.ats[0]
        while at is not None and at <= now:
            found = catch_up(at, now, self.next_at, handling)
            self._note(at, found)
            at = self.next_at(found.after)
        return at

    def _note(self, at: datetime, found: CaughtUp) -> None:
        if found.fires:
            self.fired.append(at)
        if found.missed:
            gone = [one for one in self.ats if found.missed.first <= one <= found.missed.last]
            assert len(gone) == found.missed.count
            self.missed += gone


def hourly(count: int) -> list[datetime]:
    return [EPOCH + hour * HOUR for hour in range(count)]


@pytest.mark.parametrize(
    ("handling", "fired"),
    [
        pytest.param(Handling(), [9], id="latest-by-default"),
        pytest.param(Handling(catch_up="earliest"), [0], id="earliest"),
        pytest.param(Handling(catch_up="all"), list(range(10)), id="all"),
        pytest.param(Handling(catch_up="none"), [], id="none"),
        pytest.param(Handling(catch_up="all", catch_up_limit=3), [7, 8, 9], id="limit"),
        pytest.param(Handling(catch_up="all", catch_up_window=2.6 * HOUR), [7, 8, 9], id="window"),
        pytest.param(Handling(catch_up_window=HOUR / 4), [], id="latest-out-of-window"),
        pytest.param(
            Handling(catch_up="earliest", catch_up_window=2.6 * HOUR), [7], id="earliest-in-window"
        ),
    ],
)
def test_after_an_outage_the_policy_says_which_misfires_are_made_up_for(
    handling: Handling, fired: list[int]
) -> None:
    slots = Slots(hourly(12))

    left = slots.run(EPOCH + 9.5 * HOUR, handling)

    assert slots.fired == [EPOCH + hour * HOUR for hour in fired]
    assert left == EPOCH + 10 * HOUR


@given(
    gaps=st.lists(st.integers(1, 7200), min_size=1, max_size=60),
    late=st.integers(0, 200_000),
    policy=st.sampled_from(get_args(CatchUp)),
    window=st.integers(1, 300_000),
    limit=st.integers(1, 8),
)
def test_every_instant_either_fires_or_is_told_as_missed_and_none_is_both(
    gaps: list[int], late: int, policy: CatchUp, window: int, limit: int
) -> None:
    ats = [EPOCH + timedelta(seconds=sum(gaps[: count + 1])) for count in range(len(gaps))]
    now = ats[0] + timedelta(seconds=late)
    handling = Handling(
        catch_up=policy, catch_up_window=timedelta(seconds=window), catch_up_limit=limit
    )
    slots = Slots(ats)

    left = slots.run(now, handling)

    assert sorted(slots.fired + slots.missed) == [at for at in slots.ats if at <= now]
    assert len(set(slots.fired)) == len(slots.fired)
    assert left == next((at for at in slots.ats if at > now), None)
    # What is not late fires under every policy.
    assert all(at in slots.fired for at in ats if now - MISFIRE_AFTER < at <= now)
    misfired = [at for at in slots.fired if at <= now - MISFIRE_AFTER]
    inside = [at for at in slots.ats if now - handling.catch_up_window <= at <= now - MISFIRE_AFTER]
    wanted = {"latest": inside[-1:], "earliest": inside[:1], "all": inside[-limit:], "none": []}
    assert misfired == wanted[policy]


def test_a_firing_that_is_late_by_less_than_a_minute_is_no_misfire() -> None:
    slots = Slots([EPOCH])

    slots.run(EPOCH + MISFIRE_AFTER - timedelta(seconds=1), Handling(catch_up="none"))

    assert slots.fired == [EPOCH]


@pytest.mark.parametrize(
    "handling",
    [
        Handling(),
        Handling(retry=Retry(attempts=2), timeout=timedelta(seconds=9)),
        Handling(expires_after=timedelta(minutes=5), catch_up="all", catch_up_limit=7),
        Handling(overlap="skip", catch_up_window=timedelta(days=2)),
    ],
    ids=str,
)
def test_policies_round_trip_and_store_nothing_that_is_a_default(handling: Handling) -> None:
    form = handling.to_json()

    assert Handling.from_json(form).to_json() == form
    assert Handling().to_json() == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"catch_up": "some"}, "catch_up must be one of .*'some'", id="catch-up"),
        pytest.param({"overlap": "queue"}, "overlap must be one of", id="overlap"),
        pytest.param({"catch_up_limit": 0}, "catch_up_limit must be 1 to 1000, got 0", id="limit"),
        pytest.param({"expires_after": 0}, "expires_after must be above zero", id="expiry"),
        pytest.param({"timeout": -1}, "timeout must not be below zero, got -1", id="timeout"),
        pytest.param({"timeout": "1h"}, "timeout must be a timedelta or seconds", id="text"),
        pytest.param({"retry": 3}, "retry must be a Retry, got 3", id="retry"),
        pytest.param({"retry": Retry(retry_on=OSError)}, "belong to the handler", id="classes"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_naming_the_field(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidEvent, match=message):
        Handling(**fields)  # type: ignore[arg-type]
