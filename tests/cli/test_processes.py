"""`duly run --processes`: several engines under one parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
WAIT_SECONDS = 30.0


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Two engines on one SQLite file, both of which have started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "duly", "run", "--processes", "2"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2)]
        assert all(line.count("runs on SQLite") == 1 for line in said), said
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=WAIT_SECONDS)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("D")}
    # Unbuffered, as in a container: what each engine prints must still be whole lines.
    return kept | {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"}


def _engines(parent: int) -> set[int]:
    """Give the processes of the engines; multiprocessing has one of its own beside them."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sigterm_ends_every_engine_with_all_written(parent: subprocess.Popen[str]) -> None:
    parent.send_signal(signal.SIGTERM)
    out, _ = parent.communicate(timeout=WAIT_SECONDS)

    assert parent.returncode == 0
    assert out.count("stopped, all written") == 2


def test_an_engine_that_is_killed_is_started_again_and_told(
    parent: subprocess.Popen[str],
) -> None:
    before = _engines(parent.pid)
    victim = min(before)

    os.kill(victim, signal.SIGKILL)

    _await(lambda: len(_engines(parent.pid) - {victim}) == 2)
    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=WAIT_SECONDS)
    assert "an engine's process ended with -9; another starts" in errors
    assert parent.returncode == 0


def test_engines_do_not_outlive_a_parent_that_is_killed(parent: subprocess.Popen[str]) -> None:
    engines = _engines(parent.pid)

    parent.kill()

    _await(lambda: not any(Path(f"/proc/{pid}").exists() for pid in engines))


def test_a_number_of_processes_that_cannot_be_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "duly", "run", "--processes", "0"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "duly: error: --processes must be 1 to 64, got 0\n"
