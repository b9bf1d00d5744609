"""`duly demo`: sets the stage in a directory of its own, and runs the director there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from duly.demo.handlers import DIRECTORY_VARIABLE
from duly.errors import ConfigurationError

LEAST_EVENTS = 1
LEAST_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """How large the demo is, and on which database."""

    seconds: float = 15.0
    """Over how long the due events are spread, 2 or more."""
    events: int = 1000
    """How many come due in that time, 1 or more."""
    database_url: str | None = None
    """An empty database to run on; None is SQLite in a directory of its own."""
    keep: bool = False
    """Leave the directory, with the database and the logs, where it is."""
    json: bool = False
    """End with the verdict as one line of JSON instead of text."""

    def __post_init__(self) -> None:
        if self.seconds < LEAST_SECONDS:
            raise ConfigurationError(
                f"seconds must be {LEAST_SECONDS:g} or more, got {self.seconds}"
            )
        if self.events < LEAST_EVENTS:
            raise ConfigurationError(f"events must be {LEAST_EVENTS} or more, got {self.events}")


def run_demo(options: DemoOptions) -> int:
    """Run the demo in processes of their own; gives the exit code.

    0 only if every acknowledged event fired, none early.
    """
    directory = Path(tempfile.mkdtemp(prefix="duly-demo-"))
    url = options.database_url or f"sqlite:///{directory / 'duly.sqlite3'}"
    environment = {name: value for name, value in os.environ.items() if not _is_ours(name)} | {
        "DJANGO_SETTINGS_MODULE": "duly.service.settings",
        "DULY_DATABASE_URL": url,
        "DULY_HANDLERS": "duly.demo.handlers",
        # Short, so that the rescue after the kill can be watched.
        "DULY_LEASE_SECONDS": "3",
        DIRECTORY_VARIABLE: str(directory),
    }
    command = [
        sys.executable,
        "-m",
        "duly.demo.director",
        str(options.seconds),
        str(options.events),
        "json" if options.json else "text",
    ]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        if options.keep:
            print(f"Kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _is_ours(name: str) -> bool:
    return name.startswith("DULY_")
