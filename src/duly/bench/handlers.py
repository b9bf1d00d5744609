"""The bench's handlers: each writes one line to a log that duly knows nothing of."""

from __future__ import annotations

import time

from duly.demo.handlers import WORK_SECONDS, note
from duly.registry import Occurrence, handler

FIRE, WORK, CIVIL = "bench_fire", "bench_work", "bench_civil"


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
