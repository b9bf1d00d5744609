"""`duly bench`, as one types it: its verdict, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from duly.bench.scratch import PREFIX
from duly.cli.main import main
from tests import builders

MARK = "DULY_BENCH_TEST"
SMALL = ("--seconds", "6", "--events", "100")
WAIT_SECONDS = 60.0


@pytest.mark.slow
def test_the_verdict_is_whole_and_nothing_stays_behind(
    database: str, database_url: str, tmp_path: Path
) -> None:
    done = bench(tmp_path, *SMALL, "--json", DULY_DATABASE_URL=database_url)

    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert [one["number"] for one in told["promises"]] == [1, 2, 3, 4, 5]
    kept = {one["number"]: one["kept"] for one in told["promises"]}
    # 1 and 5 are this machine's, and of the moment; the others are ours.
    assert (kept[2], kept[3]) == (True, True), told
    assert told["passed"] == all(kept.values()) == (done.returncode == 0)
    assert told["kill"]["lost"] == told["punctuality"]["lost"] == 0
    assert told["kill"]["held"] > 0
    assert told["accuracy"]["gaps"] > 100
    assert told["burst"]["events"] == 100
    assert told["where"].startswith(PREFIX)
    assert told["where"].partition(",")[0] not in databases(database)
    assert processes(tmp_path) == []


@pytest.mark.slow
def test_a_database_that_is_named_is_empty_again_after(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'given.sqlite3'}"

    first = bench(tmp_path, *SMALL, "--database-url", url)
    rows = _rows(tmp_path / "given.sqlite3")

    assert first.stdout.splitlines()[-1].endswith("of 5 promises kept")
    assert set(rows.values()) == {0}
    assert {"duly_scheduledevent", "duly_ledgerentry", "duly_stamp"} <= set(rows)
    assert not (tmp_path / "duly.sqlite3").exists()


@pytest.mark.slow
def test_a_signal_ends_everything_and_drops_the_database(
    database: str, database_url: str, tmp_path: Path
) -> None:
    number = signal.SIGTERM if database == "postgres" else signal.SIGINT
    with subprocess.Popen(
        command(*SMALL),
        env=environment(tmp_path, {"DULY_DATABASE_URL": database_url}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        name = running.stdout.readline().partition("(")[2].partition(",")[0]
        assert name in databases(database)
        # This one, its director, and the first of the engines.
        assert soon(lambda: len(processes(tmp_path)) >= 3)

        running.send_signal(number)
        _, errors = running.communicate(timeout=WAIT_SECONDS)

    assert running.returncode == (143 if number == signal.SIGTERM else 130)
    assert "Traceback" not in errors
    assert name not in databases(database)
    assert soon(lambda: processes(tmp_path) == [])


@pytest.mark.slow
def test_a_killed_bench_takes_its_processes_along(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux ends children with their parent")
    # What SIGKILL leaves behind, goes with the test.
    kept = environment(tmp_path, {"TMPDIR": str(tmp_path)})
    with subprocess.Popen(
        command(*SMALL), env=kept, cwd=tmp_path, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.kill()

    assert soon(lambda: processes(tmp_path) == [])


def test_a_database_that_holds_events_is_refused(
    database: str, database_url: str, tmp_path: Path
) -> None:
    event = builders.stored_event(database)

    done = bench(tmp_path, "--database-url", database_url)

    assert done.returncode == 2
    assert "this database is in use" in done.stderr
    assert done.stderr.count("\n") == 1
    event.refresh_from_db()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--seconds", "5"], "--seconds must be 6 or more, got 5", id="seconds"),
        pytest.param(["--seconds", "nan"], "--seconds must be 6 or more", id="nan"),
        pytest.param(["--events", "0"], "--events must be 1 or more, got 0", id="events"),
        pytest.param(["--engines", "1"], "--engines must be 2 to 64", id="engines"),
        pytest.param(["--quick", "--seconds", "9"], "not allowed with", id="both"),
        pytest.param(["--database-url", "mysql://x/y"], "unknown database scheme", id="scheme"),
    ],
)
def test_wrong_input_is_told_before_anything_is_made(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_database_in_memory_says_what_to_do_instead(
    settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", ":memory:")

    assert main(["bench", "--quick"]) == 2
    assert "--database-url" in capsys.readouterr().err


def bench(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, variables),
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "duly", "bench", *arguments]


def environment(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """Give the environment of one who has no project."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DULY_") and name != "DJANGO_SETTINGS_MODULE"
    }
    return ours | {MARK: str(folder)} | variables


def _rows(path: Path) -> dict[str, int]:
    """Count the rows of duly's tables in an SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'duly_*'"
        )
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in names.fetchall()
        }


def databases(alias: str) -> set[str]:
    """Name the databases of a bench that are there."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        folder = Path(str(connection.settings_dict["NAME"])).parent
        return {path.name for path in folder.glob(f"{PREFIX}*.sqlite3")}
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{PREFIX}%"])
        return {row[0] for row in cursor.fetchall()}


def processes(folder: Path) -> list[int]:
    """Find the processes that a bench of this test has started."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def soon(holds: Callable[[], bool]) -> bool:
    """Wait until it is so."""
    end = time.monotonic() + WAIT_SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()
