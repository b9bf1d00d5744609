"""The bench's handlers: each writes one line to a log that duly knows nothing of."""

from __future__ import annotations

import os
import time
from pathlib import Path

from duly.demo.handlers import DIRECTORY_VARIABLE, WORK_SECONDS, note
from duly.registry import Occurrence, handler

FIRE, WORK, CIVIL, WARM = "bench_fire", "bench_work", "bench_civil", "bench_warm"
# Long enough for another engine to see that there is more than this one can take.
WARM_SECONDS = 0.2


@handler(FIRE)
def fire(occurrence: Occurrence) -> None:
    """Do nothing else: what is measured is the engine."""
    note(occurrence)


@handler(WORK)
def work(occurrence: Occurrence) -> None:
    """Take a moment, so that the kill finds it at work."""
    note(occurrence)
    time.sleep(WORK_SECONDS)


@handler(CIVIL)
def civil(occurrence: Occurrence) -> None:
    """Due long after the bench has ended."""
    note(occurrence)


@handler(WARM)
def warm(occurrence: Occurrence) -> None:
    """Say that this process fires; not in the log, for it is not measured."""
    warm_mark(Path(os.environ[DIRECTORY_VARIABLE]), os.getpid()).touch()
    time.sleep(WARM_SECONDS)


def warm_mark(directory: Path, process_id: int) -> Path:
    """Give the file whose being there says that a process has fired."""
    return directory / f"warm-{process_id}"
