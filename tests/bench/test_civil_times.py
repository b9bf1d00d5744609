"""Civil times by hand: a computation that knows nothing of duly's resolver, held to facts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from duly.bench.civil_times import Fold, by_hand, coming_civil_times, read_zones
from duly.civil import zones
from duly.civil.resolve import resolve


@pytest.mark.parametrize(
    ("local", "zone", "fold", "kind", "instant"),
    [
        pytest.param(
            *("2026-07-01T12:00", "Europe/Berlin", "first", "plain", "2026-07-01T10:00"), id="plain"
        ),
        pytest.param(
            *("2026-03-29T02:30", "Europe/Berlin", "first", "gap", "2026-03-29T01:30"), id="gap"
        ),
        pytest.param(
            *("2026-10-25T02:30", "Europe/Berlin", "first", "overlap", "2026-10-25T00:30"),
            id="overlap-first",
        ),
        pytest.param(
            *("2026-10-25T02:30", "Europe/Berlin", "second", "overlap", "2026-10-25T01:30"),
            id="overlap-second",
        ),
        pytest.param(
            *("2026-10-04T02:15", "Australia/Lord_Howe", "first", "gap", "2026-10-03T15:45"),
            id="half-hour-gap",
        ),
        pytest.param(
            *("2011-12-30T12:00", "Pacific/Apia", "first", "gap", "2011-12-30T22:00"),
            id="a-day-that-was-not",
        ),
    ],
)
def test_a_civil_time_names_the_instant_that_the_clocks_say(
    local: str, zone: str, fold: Fold, kind: str, instant: str
) -> None:
    found = by_hand(datetime.fromisoformat(local), ZoneInfo(zone), fold)

    assert found == (kind, datetime.fromisoformat(instant).replace(tzinfo=UTC))


def test_the_changes_that_come_bring_gaps_and_overlaps_and_both_their_halves() -> None:
    berlin = [("Europe/Berlin", ZoneInfo("Europe/Berlin"))]

    found = list(coming_civil_times(berlin, datetime(2026, 1, 1, tzinfo=UTC), 366))

    gaps = {civil.local.isoformat() for civil in found if civil.kind == "gap"}
    assert gaps == {"2026-03-29T02:00:00", "2026-03-29T02:30:00", "2026-03-29T02:59:59"}
    overlaps = [civil for civil in found if civil.kind == "overlap"]
    assert [civil.fold for civil in overlaps] == ["first", "second"] * 3


def test_by_hand_and_the_resolver_agree_in_zones_with_odd_changes() -> None:
    database = zones.current()
    names = ("Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns", "Antarctica/Troll")
    named = read_zones(Path(database.folder), names)

    for civil in coming_civil_times(named, datetime(2026, 1, 1, tzinfo=UTC), 366):
        (due,) = resolve(civil.local, civil.zone, fold=civil.fold)
        assert (due.at, due.resolution) == (civil.expected, civil.kind), civil
