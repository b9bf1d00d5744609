"""Time zones side by side: conversions, and what two zones together are warned of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import duly
from duly.civil.contexts import Validation, convert, read, validate
from duly.civil.instants import as_instant
from duly.errors import AmbiguousTime, InvalidTime, NonexistentTime, UnknownZone
from tests.civil import oracle

MARCH = datetime(2026, 3, 20, tzinfo=UTC)


def codes(found: Validation) -> list[str]:
    return [warned.code for warned in found.warnings]


def test_one_moment_is_shown_in_many_zones() -> None:
    found = convert(
        "2026-03-30T09:00", ["Australia/Sydney", "Asia/Kathmandu"], from_timezone="Europe/Berlin"
    )

    assert found.at == datetime(2026, 3, 30, 7, 0, tzinfo=UTC)
    assert [reading.local.isoformat() for reading in found.readings] == [
        "2026-03-30T18:00:00+11:00",
        "2026-03-30T12:45:00+05:45",
    ]
    assert found.to_json()["original_time"] == "2026-03-30T09:00"
    assert duly.convert is convert


@given(
    at=st.datetimes(datetime(1972, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(oracle.names()),
)
def test_a_reading_is_what_the_oracle_reads(at: datetime, zone: str) -> None:
    reading = read(as_instant(at), zone)

    assert reading.offset == oracle.offset(zone, at)
    assert reading.local.replace(tzinfo=None) == at.replace(tzinfo=None) + reading.offset


@pytest.mark.parametrize(
    ("moment", "options", "at"),
    [
        pytest.param("2026-03-29T09:00Z", {}, "2026-03-29T09:00", id="text-with-offset"),
        pytest.param(MARCH, {}, "2026-03-20T00:00", id="aware"),
        pytest.param(
            datetime(2026, 3, 29, 2, 30), {"from_timezone": "Europe/Berlin"}, "2026-03-29T01:30",
            id="gap",
        ),
        pytest.param(
            "2026-10-25T02:30", {"from_timezone": "Europe/Berlin", "fold": "second"},
            "2026-10-25T01:30", id="overlap",
        ),
    ],
)  # fmt: skip
def test_a_moment_is_an_instant_or_a_civil_time(moment: Any, options: Any, at: str) -> None:
    assert convert(moment, ["UTC"], **options).at == datetime.fromisoformat(at).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "options", "error", "message"),
    [
        pytest.param("2026-03-29T09:00", {}, InvalidTime, "names no instant", id="no-zone"),
        pytest.param("noon", {"from_timezone": "UTC"}, InvalidTime, "not of the form", id="text"),
        pytest.param(
            "2026-03-29T02:30", {"from_timezone": "Europe/Berlin", "gap": "reject"},
            NonexistentTime, "does not exist", id="gap",
        ),
        pytest.param(
            "2026-10-25T02:30", {"from_timezone": "Europe/Berlin", "fold": "reject"},
            AmbiguousTime, "happens twice", id="overlap",
        ),
        pytest.param(
            "2026-03-29T02:30", {"from_timezone": "Europe/Berlin", "gap": "skip"},
            InvalidTime, "gap='skip'", id="skipped",
        ),
        pytest.param(MARCH, {"to": ["Mars"]}, UnknownZone, "'Mars'", id="zone"),
        pytest.param(MARCH, {"to": ["A"] * 2 + [str(n) for n in range(1000)]}, InvalidTime,
                     "at most 1000 zones, got 1001", id="many"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused(
    moment: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    to = options.pop("to", ["UTC"])
    with pytest.raises(error, match=message):
        convert(moment, to, **options)


def test_two_zones_are_compared_at_an_instant() -> None:
    found = validate("Europe/Berlin", "Asia/Kathmandu", at=MARCH)

    assert found.offset_difference == timedelta(hours=4, minutes=45)
    assert found.to_json()["offset_difference_hours"] == 4.75
    assert (found.resource_dst_active, found.user_dst_active) == (False, False)
    assert found.compatible


def test_zones_that_are_in_different_seasons_are_warned_of_with_the_next_change() -> None:
    found = validate("Europe/Berlin", "Australia/Sydney", at=MARCH)

    assert codes(found) == ["different_dst", "difference_changes"]
    assert "Australia/Sydney is on daylight saving time and Europe/Berlin is not" in str(
        found.warnings[0]
    )
    assert str(found.warnings[1]) == (
        "Australia/Sydney is 10:00 ahead of Europe/Berlin until 2026-03-29 01:00Z, and 09:00 "
        "ahead of it from then on"
    )


def test_zones_that_change_together_are_not_warned_of() -> None:
    assert codes(validate("Europe/Berlin", "Europe/Paris", at=MARCH)) == []


@pytest.mark.parametrize(
    ("zone", "at", "active"),
    [
        pytest.param("Europe/Berlin", "2026-07-01", True, id="summer"),
        pytest.param("Europe/Berlin", "2026-01-01", False, id="winter"),
        pytest.param("Australia/Sydney", "2026-01-01", True, id="southern-summer"),
        # The data marks Ireland's winter; people mean its summer.
        pytest.param("Europe/Dublin", "2026-07-01", True, id="irish-summer"),
        pytest.param("Europe/Dublin", "2026-01-01", False, id="irish-winter"),
        pytest.param("Asia/Tokyo", "2026-07-01", False, id="never"),
        pytest.param("Australia/Lord_Howe", "2026-01-01", True, id="half-an-hour"),
        # Set forward for good in 2016.
        pytest.param("Europe/Istanbul", "2016-07-01", False, id="for-good"),
    ],
)
def test_daylight_saving_time_is_a_season_in_which_the_clocks_are_ahead(
    zone: str, at: str, active: bool
) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)

    assert read(as_instant(moment), zone).dst_active is active


@pytest.mark.parametrize(
    ("local", "code"),
    [
        pytest.param("2026-03-29T02:30", "missing_local_time", id="gap"),
        pytest.param("2026-10-25T02:30", "ambiguous_local_time", id="overlap"),
    ],
)
def test_a_civil_time_that_does_not_exist_once_is_warned_of(local: str, code: str) -> None:
    found = validate("Europe/Berlin", "Europe/Paris", at=MARCH, local=local)

    assert codes(found) == [code]
    assert not found.compatible


def test_a_civil_time_is_read_in_the_execution_zone() -> None:
    found = validate(
        "Europe/Berlin", "Europe/Paris", at=MARCH, local="2026-03-29T02:30",
        execution_timezone="UTC",
    )  # fmt: skip

    assert found.compatible


def test_an_unknown_zone_is_told_with_the_name_that_was_meant() -> None:
    found = validate("Amerika/New_York", "Europe/Berlin", at=MARCH)

    assert codes(found) == ["unknown_zone"]
    assert "did you mean 'America/New_York'?" in str(found.warnings[0])
    assert (found.offset_difference, found.resource_dst_active) == (None, None)
    assert not found.compatible


@pytest.mark.parametrize(
    ("old", "new"),
    [("Europe/Kiev", "Europe/Kyiv"), ("US/Eastern", "America/New_York")],
)
def test_a_renamed_zone_is_told_with_its_name_of_today(old: str, new: str) -> None:
    found = validate(old, new, at=MARCH)

    assert codes(found) == ["renamed_zone"]
    assert new in str(found.warnings[0])
    assert found.compatible


@pytest.mark.parametrize("name", ["UTC", "Europe/Amsterdam", "Europe/Oslo", "Etc/UTC"])
def test_a_link_that_is_a_name_of_today_is_not_called_old(name: str) -> None:
    assert codes(validate(name, name, at=MARCH)) == []
