"""Zones, previews and explanations: what a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly.civil import tzdata, zones
from duly.civil.at import At
from duly.civil.cron import Cron
from duly.civil.explain import explain
from duly.civil.instants import EARLIEST, as_instant
from duly.civil.preview import preview
from duly.civil.resolve import Due
from duly.errors import ConfigurationError, InvalidRule, UnknownZone


def due(rule: At) -> Due:
    found = rule.next(EARLIEST)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        pytest.param("Europe/Kiew", "Europe/Kyiv", id="misspelt-and-renamed"),
        pytest.param("europe/berlin", "Europe/Berlin", id="case"),
        pytest.param("New York", "America/New_York", id="city"),
        pytest.param("Europe/Amsterdm", "Europe/Amsterdam", id="misspelt-and-a-link"),
        pytest.param("Atlantic/Reykjavk", "Atlantic/Reykjavik", id="misspelt-and-a-far-link"),
    ],
)
def test_an_unknown_zone_is_told_with_a_near_one(name: str, suggestion: str) -> None:
    release = zones.current().release

    with pytest.raises(UnknownZone) as caught:
        zones.get_zone(name)

    wanted = f"unknown time zone {name!r} (tzdata {release}); did you mean {suggestion!r}?"
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "Europe",
        "localtime",
        "posixrules",
        "right/UTC",
        "posix/UTC",
        "Factory",
        "Europe/Berlin\0",
        "Europe/Berlin ",
        "",
        "x" * 5000,
        None,
        7,
        ["UTC"],
    ],
    ids=repr,
)
def test_only_names_on_the_list_are_zones(name: Any) -> None:
    with pytest.raises(UnknownZone) as caught:
        zones.get_zone(name)

    assert len(str(caught.value)) < 200


def test_the_data_in_use_has_a_name_and_each_zone_a_fingerprint() -> None:
    berlin, copenhagen = zones.get_zone("Europe/Berlin"), zones.get_zone("Europe/Copenhagen")

    assert zones.current().release[:4].isdigit()
    assert len(berlin.fingerprint) == 64
    assert berlin.fingerprint == copenhagen.fingerprint != zones.get_zone("UTC").fingerprint


def test_a_folder_without_zones_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="no time zone data"):
        tzdata.ZoneDatabase(str(tmp_path))
    with pytest.raises(ConfigurationError, match="no time zone data at"):
        tzdata.ZoneDatabase(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "data", [b"TZif", b"TZif1" + bytes(39), b"TZif2" + bytes(60)], ids=["cut", "version-1", "junk"]
)
def test_a_zone_whose_data_is_damaged_is_told_by_name(tmp_path: Any, data: bytes) -> None:
    (tmp_path / "Mars").write_bytes(data)

    with pytest.raises(ConfigurationError, match=r"time zone 'Mars' in .* cannot be read"):
        tzdata.ZoneDatabase(str(tmp_path)).zone("Mars")


def test_a_preview_counts_the_changes_where_they_are_many() -> None:
    (row,) = preview(At("2026-11-30T09:00", "Europe/Berlin"), 1, after=EARLIEST)

    assert (
        row.clock_change
        == f"{len(zones.get_zone('Europe/Berlin').transitions(EARLIEST, row.due.at))} clock changes"
    )


def test_a_preview_marks_the_firing_after_the_clocks_changed_and_no_other() -> None:
    rule = Cron("0 9 * * MON-FRI", "America/New_York")

    rows = preview(rule, 5, after=as_instant(datetime(2026, 10, 29, 20, tzinfo=UTC)))

    told = [(row.local.isoformat(), row.offset, row.clock_change) for row in rows]
    day, night = timedelta(hours=-4), timedelta(hours=-5)
    assert told == [
        ("2026-10-30T09:00:00-04:00", day, ""),
        ("2026-11-02T09:00:00-05:00", night, "clocks back 01:00 on 2026-11-01 at 02:00"),
        ("2026-11-03T09:00:00-05:00", night, ""),
        ("2026-11-04T09:00:00-05:00", night, ""),
        ("2026-11-05T09:00:00-05:00", night, ""),
    ]


def test_a_preview_ends_where_the_rule_ends() -> None:
    assert len(preview(At("2026-11-30T09:00", "UTC"), 5, after=EARLIEST)) == 1


@pytest.mark.parametrize("n", [0, -1, 10_001, True, 2.5])
def test_a_preview_of_a_senseless_length_is_refused(n: Any) -> None:
    with pytest.raises(InvalidRule, match="n must be 1 to 10000"):
        preview(At("2026-11-30T09:00", "UTC"), n, after=EARLIEST)


def test_a_gap_is_explained() -> None:
    rule = At("2027-03-28T02:30", "Europe/Berlin")

    assert explain(due(rule), rule, zones=["Australia/Sydney"]).sentences == (
        "Rule: once at 2027-03-28 02:30:00 in Europe/Berlin.",
        "02:30 does not exist in Europe/Berlin on 2027-03-28: the clocks go forward that day "
        "from 02:00 to 03:00 (UTC+01:00 to UTC+02:00).",
        "Policy gap=shift: due 01:00 later, at Sun 2027-03-28 03:30 +02:00 Europe/Berlin "
        "(2027-03-28T01:30:00Z).",
        "In Australia/Sydney: Sun 2027-03-28 12:30:00 +11:00.",
        "Australia/Sydney is 09:00 ahead of Europe/Berlin until 2027-04-03 16:00Z, and 08:00 "
        "ahead of it from then on.",
        f"Time zone data: tzdata {zones.current().release}.",
    )


def test_an_overlap_is_explained() -> None:
    told = str(explain(due(At("2026-10-25T02:30", "Europe/Berlin", fold="second"))))

    assert "02:30 happens twice in Europe/Berlin on 2026-10-25" in told
    assert "clocks go back that day from 03:00 to 02:00" in told
    assert "Policy fold=second: due at Sun 2026-10-25 02:30 +01:00" in told


def test_a_day_that_never_was_is_explained() -> None:
    told = str(explain(due(At("2011-12-30T09:00", "Pacific/Apia"))))

    assert "the clocks go forward on 2011-12-30 from 00:00 to 00:00 of 2011-12-31" in told
    assert "due 24:00 later, at Sat 2011-12-31 09:00 +14:00" in told


def test_an_explanation_is_data_too() -> None:
    data = explain(due(At("2026-11-30T09:00", "Asia/Kathmandu"))).to_json()

    assert data["at"] == "2026-11-30T03:15:00+00:00"
    assert (data["offset"], data["resolution"], data["policy"]) == ("+05:45", "plain", "")
