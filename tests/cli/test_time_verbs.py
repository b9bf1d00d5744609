"""The commands about time itself: months, conversions, and the time zone data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import duly
from duly import At
from duly.civil import zones
from duly.civil.tzdata import WHEEL, ZoneDatabase
from duly.cli.main import main
from duly.models import ScheduledEvent
from tests import releases

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def old_data(tmp_path: Path) -> Iterator[Path]:
    """A folder of an old release, in use."""
    folder = tmp_path / "zoneinfo"
    releases.upgrade(folder, releases.zoneinfo(releases.installed(releases.OLD_VERSION)))
    zones.use(str(folder))
    yield folder
    zones.use(WHEEL)


def test_an_instant_needs_no_zone(cli: Cli) -> None:
    code, out, _ = cli("preview", "2031-01-01T09:00+11:00", "--json")

    assert code == 0
    assert "2030-12-31T22:00:00" in out


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (["2031-13-01T00:00Z"], "the instant must be an ISO 8601 time"),
        (["2031-01-01T00:00Z", "--gap", "skip"], "--gap does not go with an instant"),
        (["every 5 minuts", "--tz", "UTC"], "is no elapsed time: such as 'every 15m'"),
    ],
)
def test_a_rule_that_is_not_one_says_which_option_mends_it(
    cli: Cli, rule: list[str], message: str
) -> None:
    code, _, errors = cli("preview", *rule)

    assert code == 2
    assert message in errors


def test_a_month_marks_the_days_that_fire_and_the_clock_changes(cli: Cli) -> None:
    code, out, _ = cli(
        *("preview", "0 9 * * MON", "--tz", "America/New_York"),
        *("--calendar", "--after", "2026-11-01T05:00Z"),
    )

    assert code == 0
    assert out.splitlines()[2:9] == [
        "       November 2026",
        " Mo  Tu  We  Th  Fr  Sa  Su",
        "                        < 1>",
        "[ 2]  3   4   5   6   7   8",
        "[ 9] 10  11  12  13  14  15",
        "[16] 17  18  19  20  21  22",
        "[23] 24  25  26  27  28  29",
    ]
    assert "2026-11-01: clocks back from 02:00 to 01:00, UTC-04:00 to UTC-05:00" in out


def test_a_year_shows_twelve_months_and_a_day_that_is_both(cli: Cli) -> None:
    code, out, _ = cli(
        *("preview", "@daily", "--tz", "Europe/Berlin"),
        *("--calendar", "year", "--after", "2026-12-31T23:30Z"),
    )

    assert code == 0
    assert all(f"{month} 2027" in out for month in ("January", "June", "December"))
    assert "<28]" in out
    assert out.count("[") > 300


def test_a_calendar_as_json_lists_the_days(cli: Cli) -> None:
    _, out, _ = cli(
        *("preview", "FREQ=MONTHLY;BYDAY=-1FR", "--start", "2027-01-01T09:00"),
        *("--tz", "Europe/Berlin", "--calendar", "--after", "2027-03-01T00:00Z", "--json"),
    )

    data = json.loads(out)
    assert data["firing_days"] == ["2027-03-26"]
    assert [change["date"] for change in data["clock_changes"]] == ["2027-03-28"]
    assert data["rule"]["kind"] == "rrule"


def test_every_term_can_be_typed(cli: Cli) -> None:
    code, out, err = cli(
        *("preview", "0 8 L * *", "--tz", "Europe/Berlin", "--json"),
        *("--start", "2027-01-01T00:00", "--end", "2028-01-01T00:00", "--max", "3"),
        *("--holidays", "DE-BY", "--closed", "2027-01-29", "--weekend", "sat,sun"),
        *("--on-closed", "previous_business_day", "--jitter", "5m", "--day-match", "and"),
    )

    assert (code, err) == (0, "")
    data = json.loads(out)
    assert [firing["wall_time"] for firing in data["firings"]] == [
        "2027-01-28T08:00:00",
        "2027-02-26T08:00:00",
        "2027-03-31T08:00:00",
    ]
    assert data["rule"]["jitter"] == 300
    assert data["rule"]["calendar"]["country"] == "DE"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["0 9 * * *", "--jitter", "soon"], "--jitter must be a span", id="jitter"),
        pytest.param(["0 9 * * *", "--holidays", "XX"], "no holidays are known", id="country"),
        pytest.param(["0 9 * * *", "--on-closed", "skip_it"], "on_closed must be one of", id="on"),
        pytest.param(["every 1h", "--day-match", "and"], "does not go with elapsed", id="every"),
        pytest.param(["2027-01-01T00:00", "--max", "2"], "does not go with a civil", id="at"),
        pytest.param(["FREQ=DAILY"], "from its start: --start", id="rrule-start"),
        pytest.param(["FREQ=DAILY;BYHUOR=1", "--start", "2027-01-01T00:00"], "BYHUOR", id="part"),
    ],
)
def test_a_term_that_is_mistyped_is_one_clear_line(
    cli: Cli, arguments: list[str], message: str
) -> None:
    code, out, err = cli("preview", *arguments, "--tz", "Europe/Berlin")

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_the_lines_of_icalendar_name_their_own_zone(cli: Cli) -> None:
    code, out, _ = cli(
        "preview",
        "DTSTART;TZID=Asia/Tokyo:20270101T090000\\nRRULE:FREQ=DAILY\\nEXDATE;TZID=Asia/Tokyo:20270102T090000",
        *("-n", "2", "--after", "2026-12-01T00:00Z", "--json"),
    )  # fmt: skip

    assert code == 0
    assert [one["local"] for one in json.loads(out)["firings"]] == [
        "2027-01-01T09:00:00+09:00",
        "2027-01-03T09:00:00+09:00",
    ]


def test_convert_shows_one_moment_in_many_zones(cli: Cli) -> None:
    code, out, _ = cli("convert", "2026-03-30T09:00", "Australia/Sydney", "--tz", "Europe/Berlin")

    assert code == 0
    assert out.splitlines()[0] == "2026-03-30T09:00 in Europe/Berlin is 2026-03-30 07:00 UTC"
    assert out.splitlines()[2].split() == [
        "Australia/Sydney", "Mon", "2026-03-30", "18:00", "+11:00", "yes",
    ]  # fmt: skip


def test_validate_warns_and_ends_with_1_where_something_is_wrong(cli: Cli) -> None:
    code, out, _ = cli("validate", "Europe/Kiev", "Mars/Base", "--at", "2026-03-20T00:00Z")

    assert code == 1
    assert "warning: Europe/Kiev is an old name; the zone is called Europe/Kyiv now" in out
    assert "warning: unknown time zone 'Mars/Base'" in out
    assert cli("validate", "Europe/Berlin", "Asia/Tokyo", "--json")[0] == 0


def test_status_says_which_data_the_events_follow(cli: Cli, using: str) -> None:
    code, out, _ = cli("tzdata", "status", "--json")

    assert code == 0
    data = json.loads(out)
    assert data["in_use"]["source"] == "wheel"
    assert data["stale_zones"] == []


def test_diff_shows_the_zones_and_the_events_that_another_copy_moves(
    cli: Cli, using: str, old_data: Path
) -> None:
    event = duly.schedule_event("remind", At("2090-06-15T09:00", "Africa/Cairo"))

    code, out, _ = cli("tzdata", "diff", str(old_data), "wheel", "--json")

    data = json.loads(out)
    assert code == 0
    assert data["old"]["release"] == releases.OLD_RELEASE
    assert {"Africa/Cairo", "Asia/Almaty", "America/Nuuk"} <= {one["zone"] for one in data["zones"]}
    assert data["events"] == [
        {
            "event_id": str(event.id),
            "event_type": "remind",
            "zone": "Africa/Cairo",
            "wall_time": "2090-06-15T09:00:00",
            "before": "2090-06-15T07:00:00+00:00",
            "next_at": "2090-06-15T06:00:00+00:00",
            "problem": None,
        }
    ]
    assert ScheduledEvent.objects.using(using).get().next_at == event.next_at


def test_apply_moves_the_events_and_a_dry_run_does_not(
    cli: Cli, using: str, old_data: Path
) -> None:
    event = duly.schedule_event("remind", At("2090-06-15T09:00", "Africa/Cairo"))
    zones.use(WHEEL)

    assert cli("tzdata", "status")[0] == 1
    dry = cli("tzdata", "apply", "--dry-run")
    assert "1 events would move" in dry[1]
    assert ScheduledEvent.objects.using(using).get().next_at == event.next_at

    code, out, _ = cli("tzdata", "apply")

    assert code == 0
    assert "2090-06-15 07:00Z  2090-06-15 06:00Z" in out
    assert cli("tzdata", "status")[0] == 0
    moved = ScheduledEvent.objects.using(using).get()
    assert moved.next_at is not None
    assert moved.next_at.hour == 6


def test_a_copy_that_is_not_there_is_told(cli: Cli, using: str) -> None:
    code, _, err = cli("tzdata", "diff", "/nowhere")

    assert code == 2
    assert "no time zone data at '/nowhere'" in err


def test_watching_sees_the_package_being_upgraded(database_url: str, tmp_path: Path) -> None:
    package = tmp_path / "packages"
    releases.pip_install(releases.OLD_VERSION, package)
    path = os.pathsep.join([str(package), "src", "."])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": database_url,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", _WATCH]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            before = json.loads(process.stdout.readline())
            releases.pip_install("2025.2", package)
            after = json.loads(process.stdout.readline())
        finally:
            process.kill()

    assert (before["release"], after["release"]) == (releases.OLD_RELEASE, "2025b")
    assert ZoneDatabase(WHEEL).release not in (before["release"], after["release"])


# As `duly tzdata apply --watch --json`, but for the seconds between two looks.
_WATCH = """
import sys
import django
django.setup()
from duly.cli.main import main
import duly.cli.verbs.tzdata as verb_module
verb_module.WATCH_SECONDS = 0.2
sys.exit(main(["tzdata", "apply", "--watch", "--json"]))
"""
