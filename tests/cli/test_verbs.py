"""The commands, as one types them: what they print, and how they exit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from duly.civil import zones
from duly.cli.main import main
from duly.models import LedgerEntry, ScheduledEvent

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


def test_preview_marks_the_row_after_the_clocks_changed(cli: Cli) -> None:
    code, out, err = cli(
        *("preview", "0 9 * * MON-FRI", "--tz", "America/New_York"),
        *("-n", "3", "--after", "2026-10-29T20:00Z"),
    )

    title, heads, *rows = out.splitlines()
    assert (code, err) == (0, "")
    assert "in America/New_York" in title
    assert f"tz data {zones.current().release}" in title
    assert heads.split() == ["civil", "time", "offset", "UTC", "when"]
    assert [row[:46].rstrip() for row in rows] == [
        "Fri 2026-10-30 09:00  -04:00  2026-10-30 13:00",
        "Mon 2026-11-02 09:00  -05:00  2026-11-02 14:00",
        "Tue 2026-11-03 09:00  -05:00  2026-11-03 14:00",
    ]
    assert ["<-" in row for row in rows] == [False, True, False]
    assert rows[1].endswith("<- clocks back 01:00 on 2026-11-01 at 02:00")


def test_preview_shows_what_a_gap_does_under_each_policy(cli: Cli) -> None:
    _, out, _ = cli(
        *("preview", "30 2 * * *", "--tz", "Europe/Berlin", "--gap", "next_valid"),
        *("--after", "2027-03-27T12:00Z", "-n", "1"),
    )

    assert "Sun 2027-03-28 03:00  +02:00" in out
    assert "02:30 does not exist: next_valid" in out


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        pytest.param("every 1h30m", "2026-01-01T01:30:00+00:00", id="every"),
        pytest.param("PT15M", "2026-01-01T00:15:00+00:00", id="iso-duration"),
        pytest.param("every 1 d", "2026-01-02T00:00:00+00:00", id="spaced"),
        pytest.param(
            '{"kind": "at", "local": "2026-06-01T09:00", "tz": "Asia/Tokyo"}',
            "2026-06-01T00:00:00+00:00",
            id="json",
        ),
    ],
)
def test_a_rule_can_be_written_in_several_ways(cli: Cli, rule: str, first: str) -> None:
    code, out, _ = cli("preview", rule, "--after", "2026-01-01T00:00Z", "--json", "-n", "1")

    assert code == 0
    assert json.loads(out)["firings"][0]["at"] == first


def test_explain_says_what_the_clocks_do_to_a_rule_on_a_date(cli: Cli) -> None:
    code, out, _ = cli("explain", "30 2 * * *", "--tz", "Europe/Berlin", "--on", "2027-03-28")

    assert code == 0
    assert "02:30 does not exist in Europe/Berlin on 2027-03-28" in out
    assert "03:30 +02:00 Europe/Berlin (2027-03-28T01:30:00Z)" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["preview", "* * * * *", "--tz", "Europe/Kiew"],
            "did you mean 'Europe/Kyiv'?",
            id="zone",
        ),
        pytest.param(
            ["preview", "* * * * *", "--tz", "../../etc/passwd"], "unknown time zone", id="path"
        ),
        pytest.param(
            ["preview", "10000-01-01T09:00", "--tz", "UTC"], "'10000-01-01T09:00'", id="year-10000"
        ),
        pytest.param(["preview", "0 0 30 2 *", "--tz", "UTC"], "never matches", id="impossible"),
        pytest.param(["preview", "61 * * * *", "--tz", "UTC"], "minute '61'", id="minute"),
        pytest.param(["preview", "* * * * *"], "--tz Europe/Berlin", id="no-zone"),
        pytest.param(["preview", "every 0s"], "interval must be 1 second", id="no-interval"),
        pytest.param(["preview", "PT1M", "--gap", "skip"], "--gap does not go with", id="gap"),
        pytest.param(["preview", "{", "--json"], "the rule is not JSON", id="half-json"),
        pytest.param(["preview", "PT1M", "-n", "0"], "n must be 1 to", id="count"),
        pytest.param(["preview", "PT1M", "-n", "many"], "'many'", id="count-no-number"),
        pytest.param(["preview", "PT1M", "--after", "noon"], "--after must be", id="after"),
        pytest.param(["prevew", "PT1M"], "did you mean 'preview'?", id="verb"),
        pytest.param(["preview", "PT1M", "--jsn"], "did you mean '--json'?", id="option"),
        pytest.param(["schedule", "t", "PT1M", "--payload", "{"], "is not JSON", id="payload"),
        pytest.param(
            ["schedule", "t", "PT1M", "--payload", '{"a":1,"a":2}'], "stands twice", id="double-key"
        ),
        pytest.param(
            ["schedule", "t", "PT1M", "--payload", "@nowhere"], "cannot be read", id="payload-file"
        ),
        pytest.param(["schedule", "t", "PT1M", "--key", "k" * 201], "key must be", id="long-key"),
        pytest.param(["schedule", "t", "PT1M", "--entity", "x"], "TYPE:ID", id="entity"),
        pytest.param(["schedule", "no type", "PT1M"], "event type 'no type'", id="type"),
        pytest.param(["cancel"], "name what to cancel", id="cancel-nothing"),
        pytest.param(["run", "--lease-seconds", "0.1"], "LEASE_SECONDS", id="lease"),
    ],
)
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    cli: Cli, using: str, arguments: list[str], message: str
) -> None:
    code, out, err = cli(*arguments)

    assert (code, out) == (2, "")
    assert err.startswith("duly: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not ScheduledEvent.objects.using(using).exists()


def test_an_event_can_be_scheduled_seen_explained_and_cancelled(cli: Cli, using: str) -> None:
    scheduled = cli(
        *("schedule", "remind", "2031-03-30T09:00", "--tz", "Europe/Berlin", "--key", "a:1"),
        *("--payload", '{"n": 1}', "--entity", "appointment:42", "--user-tz", "Asia/Tokyo"),
    )
    upcoming = cli("upcoming", "--entity", "appointment:42")
    explained = cli("explain", "a:1")
    cancelled = cli("cancel", "a:1")
    after = cli("upcoming")

    assert [code for code, _, _ in (scheduled, upcoming, explained, cancelled, after)] == [0] * 5
    assert "Due Sun 2031-03-30 09:00 +02:00 Europe/Berlin" in scheduled[1]
    assert "In Asia/Tokyo: Sun 2031-03-30 16:00:00 +09:00" in scheduled[1]
    assert "Sun 2031-03-30 09:00  +02:00  Europe/Berlin  2031-03-30 07:00" in upcoming[1]
    assert "scheduled by cli" in explained[1]
    assert cancelled[1].startswith("cancelled ")
    assert after[1] == "Nothing comes up.\n"
    assert ScheduledEvent.objects.using(using).get().payload == {"n": 1}


def test_a_dry_run_stores_nothing(cli: Cli, using: str) -> None:
    code, out, _ = cli("schedule", "remind", "PT1H", "--dry-run", "--json")

    assert (code, json.loads(out)["dry_run"]) == (0, True)
    assert not ScheduledEvent.objects.using(using).exists()


def test_what_is_not_there_ends_with_exit_code_1(cli: Cli, using: str) -> None:
    assert cli("cancel", "nobody")[0] == 1
    assert cli("explain", "nobody")[0] == 1
    assert cli("cancel", "--entity", "appointment:1")[0] == 1


def test_upcoming_can_be_shown_in_another_zone_and_as_json(cli: Cli, using: str) -> None:
    cli("schedule", "remind", "2031-03-30T09:00", "--tz", "Europe/Berlin")

    _, out, _ = cli("upcoming", "--tz", "Asia/Kathmandu", "--json")

    (row,) = json.loads(out)
    assert (row["local"], row["zone"]) == ("2031-03-30T12:45:00+05:45", "Asia/Kathmandu")


def test_manage_py_and_call_command_do_the_same(
    using: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("duly", "preview", "PT1H", "-n", "1", "--after", "2026-01-01T00:00Z", "--json")

    assert json.loads(capsys.readouterr().out)["firings"][0]["at"] == "2026-01-01T01:00:00+00:00"


def _alone(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duly", *arguments],
        cwd=folder,
        env=_environment(folder, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("D")}
    return kept | {"PYTHONPATH": str(folder)} | more


def test_alone_it_makes_its_own_tables_and_fires_what_is_due(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import duly\n"
        "@duly.handler('note')\n"
        "def note(occurrence):\n"
        "    open('noted', 'a').write(occurrence.payload + '\\n')\n"
    )

    scheduled = _alone(
        tmp_path, "schedule", "note", "2020-01-01T09:00", "--tz", "UTC", "--payload", '"hello"'
    )
    # It is parked, as nobody can handle it yet.
    before = _alone(tmp_path, "run", "--once")
    ran = _alone(tmp_path, "run", "--once", DULY_HANDLERS="mine")

    assert (scheduled.returncode, scheduled.stderr) == (0, "")
    assert "handles nothing: no handler is registered; " in before.stdout
    assert ran.returncode == 0, ran.stderr
    assert "handles note; " in ran.stdout
    assert (tmp_path / "noted").read_text() == "hello\n"


def test_sigterm_ends_an_engine_with_exit_code_0(tmp_path: Path) -> None:
    engine = subprocess.Popen(
        [sys.executable, "-m", "duly", "run"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    started = engine.stdout.readline()
    engine.send_signal(signal.SIGTERM)
    rest, _ = engine.communicate(timeout=30)

    assert "tz data" in started
    assert "stopped, all written" in rest
    assert engine.returncode == 0


def test_a_wrong_database_url_is_one_line_without_its_password(tmp_path: Path) -> None:
    done = _alone(tmp_path, "upcoming", DULY_DATABASE_URL="postgresql://a:secret@127.0.0.1:1/x")

    assert done.returncode == 1
    assert done.stderr.startswith("duly: error: ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_the_demo_loses_nothing_on_either_database(database_url: str, tmp_path: Path) -> None:
    done = _alone(
        tmp_path,
        "demo",
        "--seconds",
        "4",
        "--events",
        "200",
        "--json",
        "--database-url",
        database_url,
    )

    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["fired"], verdict["lost"], verdict["early"]) == (200, 0, 0)
    assert verdict["killed_after_seconds"] >= 2


def test_a_breaker_is_opened_and_closed_by_hand_and_the_ledger_knows_who(
    cli: Cli, using: str
) -> None:
    assert cli("breakers")[1] == "No breaker, limit or rate has been passed yet.\n"
    opened = cli("breakers", "--open", "service:crm", "--json")
    shown = cli("breakers")
    closed = cli("breakers", "--close", "service:crm", "--json")

    assert json.loads(opened[1])["service:crm"]["status"] == "open"
    assert "when it is closed by hand" in shown[1]
    assert json.loads(closed[1])["service:crm"]["status"] == "closed"
    told = LedgerEntry.objects.using(using).values_list("fact", "actor")
    assert list(told) == [("breaker_opened", "command line"), ("breaker_closed", "command line")]


def test_a_name_that_no_breaker_has_is_refused(cli: Cli, using: str) -> None:
    code, _, err = cli("breakers", "--open", "crm")

    assert (code, "'service:' and a service" in err, "'crm'" in err) == (2, True, True)
