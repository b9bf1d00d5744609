"""`duly bench`: makes a database of its own, and runs the director on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from duly.bench.options import BenchOptions
from duly.bench.plan import DIRECTORY_VARIABLE, Plan
from duly.bench.scratch import Scratch, scratch_database
from duly.conf import Config, config
from duly.testing.processes import launched

# Told to stop, the director kills its engines and empties a database that it was given.
STOP_SECONDS = 10.0
# What concerns the user's own database, and not how engines run.
_NOT_OURS = ("database", "environment", "strict", "retention_days")


def run_bench(options: BenchOptions) -> int:
    """Run the bench; gives the exit code: 0 only if every promise was kept.

    Whatever it makes is gone when it returns or raises: processes, database, files.
    Raises ConfigurationError where there is no database to run on.
    """
    settings = config()
    with (
        _ended_by_signals(),
        tempfile.TemporaryDirectory(prefix="duly-bench-", ignore_cleanup_errors=True) as name,
        scratch_database(options.database_url, settings.database) as scratch,
    ):
        directory = Path(name)
        _plan(options, scratch, settings).write(directory)
        return _direct(directory)


def _plan(options: BenchOptions, scratch: Scratch, settings: Config) -> Plan:
    ours = {key.upper(): value for key, value in asdict(settings).items() if key not in _NOT_OURS}
    return Plan(
        options=options,
        database=scratch.database,
        duly=ours,
        where=scratch.where,
        is_ours=scratch.is_ours,
    )


def _direct(directory: Path) -> int:
    """Run the director to its end, and pass on what it prints."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "duly.bench.settings",
        DIRECTORY_VARIABLE: str(directory),
    }
    command = [sys.executable, "-m", "duly.bench.director"]
    # A session of its own: Ctrl-C at the terminal comes to us alone, and we end the others.
    with subprocess.Popen(
        launched(command, None, signal.SIGTERM),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as director:
        assert director.stdout is not None
        try:
            for line in director.stdout:
                print(line, end="", flush=True)
            return director.wait()
        except BaseException:
            _end(director)
            raise


def _end(director: subprocess.Popen[str]) -> None:
    """End the director and whatever it started."""
    director.terminate()
    with suppress(subprocess.TimeoutExpired):
        director.communicate(timeout=STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(director.pid, signal.SIGKILL)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end it as Ctrl-C does: with everything cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> Any:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
