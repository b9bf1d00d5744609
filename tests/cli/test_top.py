"""`duly top`: live in a terminal, once elsewhere, and the terminal is given back."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from duly.cli.main import main
from duly.cli.screen import clipped
from duly.store import gates
from duly.store.backends import open_store
from tests import builders
from tests.cli.test_care import dead
from tests.store.test_engines import engine

Cli = Callable[..., tuple[int, str, str]]
WAIT_SECONDS = 30.0


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_nothing_is_shown_as_nothing_and_without_an_engine_it_says_so(using: str, cli: Cli) -> None:
    code, out, _ = cli("top", "--once")

    assert code == 0
    assert "0 due  0 late  0 running  0 dead" in out
    assert "no engine is alive: nothing fires" in out


def test_what_is_due_late_running_and_dead_is_counted(using: str, cli: Cli) -> None:
    now = datetime.now(UTC)
    dead(using, now)
    builders.stored_event(using, now)
    store = open_store(using)
    claims = builders.claim(store, now)
    builders.start(store, claims, now)
    builders.stored_event(using, now - timedelta(minutes=2))
    builders.stored_event(using, now + timedelta(minutes=30))
    engine(using, started_at=now, beat_at=now, running=1)
    gates.steer(using, "service:crm", opens=True, now=now, actor="")

    code, out, _ = cli("top", "--json")

    told = json.loads(out)
    assert code == 0
    counts = {name: told[name] for name in ("due", "late", "running", "dead", "next_hour")}
    assert counts == {"due": 1, "late": 1, "running": 1, "dead": 1, "next_hour": 1}
    assert told["types"][0]["type"] == "reminder"
    assert (told["types"][0]["born"], told["types"][0]["dead"]) == (2, 1)
    assert [one["host"] for one in told["engines"]] == ["one"]
    assert told["breakers"] == [{"name": "service:crm", "status": "open"}]
    page = cli("top")[1]
    assert ["service:crm" in page, "1/16" not in page, "when it is closed by hand" in page]
    assert "1 late  1 running  1 dead" in page


def test_a_time_between_looks_that_is_too_short_is_refused(using: str, cli: Cli) -> None:
    code, _, err = cli("top", "--every", "0.1")

    assert code == 2
    assert "--every must be 0.5 seconds or more, got 0.1" in err


def test_a_line_is_cut_by_what_is_seen_of_it() -> None:
    assert clipped("abcdef", 3) == "abc"
    assert clipped("\033[1mabcdef\033[0m", 3) == "\033[1mabc\033[0m\033[0m"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`duly top` in a terminal of its own, on an empty database; gives the terminal's other end."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("D")}
    subprocess.run(
        [sys.executable, "-m", "duly", "upcoming"],
        cwd=tmp_path,
        env=kept,
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "duly", "top", "--every", "0.5"],
        cwd=tmp_path,
        env=kept,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    yield process, ours
    process.kill()
    process.wait()
    os.close(ours)
    os.close(theirs)


def read_until(terminal: int, wanted: bytes, so_far: bytes = b"") -> bytes:
    deadline = time.monotonic() + WAIT_SECONDS
    while wanted not in so_far:
        assert time.monotonic() < deadline, so_far
        if select.select([terminal], [], [], 0.1)[0]:
            so_far += os.read(terminal, 65_536)
    return so_far


@pytest.mark.parametrize("end", ["q", "SIGINT", "SIGTERM"])
def test_the_terminal_is_given_back_as_it_was(
    terminal: tuple[subprocess.Popen[bytes], int], end: str
) -> None:
    process, ours = terminal
    before = termios.tcgetattr(ours)
    shown = read_until(ours, b"no engine is alive")
    assert b"\033[?1049h" in shown
    assert not termios.tcgetattr(ours)[3] & termios.ECHO

    if end == "q":
        os.write(ours, b"q")
    else:
        process.send_signal(getattr(signal, end))
    told = read_until(ours, b"\033[?1049l", shown)

    assert process.wait(WAIT_SECONDS) in (0, 130)
    assert b"Traceback" not in told
    assert termios.tcgetattr(ours) == before
