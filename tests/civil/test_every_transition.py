"""Every zone, every change of its clocks from 2000 to 2037, under every policy.

The expected instants come from `whenever`, which shares no code with duly or zoneinfo.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.civil.resolve import FoldPolicy, GapPolicy, resolve
from duly.civil.zones import get_zone
from duly.errors import AmbiguousTime, NonexistentTime
from tests.civil import oracle

CHUNKS = 8
SECOND = timedelta(seconds=1)
POLICIES = [
    *product(get_args(GapPolicy), ["first"]),
    *product(["shift"], set(get_args(FoldPolicy)) - {"first"}),
]


def _zones(chunk: int) -> list[str]:
    return oracle.names()[chunk::CHUNKS]


def _around(zone: str, at: datetime) -> Iterator[datetime]:
    """Civil times at both edges of a change, in the middle of it, and just outside."""
    before, after = oracle.offset(zone, at - SECOND), oracle.offset(zone, at)
    low, high = sorted([at + before, at + after])
    middle = low + (high - low) / 2
    for civil in (low - SECOND, low, middle, high - SECOND, high):
        yield civil.replace(tzinfo=None)


def _resolved(zone: str, local: datetime, gap: str, fold: str) -> list[datetime] | str:
    try:
        return [due.at for due in resolve(local, zone, gap=gap, fold=fold)]  # type: ignore[arg-type]
    except (NonexistentTime, AmbiguousTime):
        return "reject"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_resolution_agrees_with_the_oracle_at_every_transition(chunk: int) -> None:
    wrong, judged = [], 0
    for zone in _zones(chunk):
        for at in oracle.transitions(zone):
            for local in _around(zone, at):
                for gap, fold in POLICIES:
                    judged += 1
                    got = _resolved(zone, local, gap, fold)
                    wanted = oracle.instants(zone, local, gap, fold)
                    if got != wanted:
                        wrong.append((zone, local, gap, fold, got, wanted))

    assert wrong == []
    assert judged > 10_000


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_transitions_that_we_read_are_those_that_the_oracle_finds(chunk: int) -> None:
    for zone in _zones(chunk):
        ours = get_zone(zone).transitions(oracle.START, oracle.END)
        assert [change.at for change in ours] == [
            at for at in oracle.transitions(zone) if at <= oracle.END
        ], zone


@given(
    zone=st.sampled_from(oracle.names()),
    local=st.datetimes(datetime(1971, 1, 1), datetime(2100, 12, 30)),
    gap=st.sampled_from(get_args(GapPolicy)),
    fold=st.sampled_from(get_args(FoldPolicy)),
)
def test_resolution_agrees_with_the_oracle_at_any_time(
    zone: str, local: datetime, gap: str, fold: str
) -> None:
    assert _resolved(zone, local, gap, fold) == oracle.instants(zone, local, gap, fold)


@given(
    zone=st.sampled_from(oracle.names()),
    at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_every_instant_is_found_again_from_what_the_clocks_read(zone: str, at: datetime) -> None:
    local = get_zone(zone).wall_time_at(at)

    assert at in [due.at for due in resolve(local, zone, fold="both")]
