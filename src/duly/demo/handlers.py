"""The demo's handlers: each writes what it did to a log that duly knows nothing of."""

from __future__ import annotations

import json
import os
import time
from functools import cache
from pathlib import Path

from duly.registry import Occurrence, handler

DIRECTORY_VARIABLE = "DULY_DEMO_DIRECTORY"
# A handler that took no time at all would hardly ever be caught by the kill.
WORK_SECONDS = 0.02


@cache
def _log() -> int:
    path = Path(os.environ[DIRECTORY_VARIABLE]) / f"effects-{os.getpid()}.jsonl"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(occurrence: Occurrence) -> None:
    """Write what is done, and when, in one write that no other can come between."""
    line = {
        "key": occurrence.idempotency_key,
        "due_at": occurrence.due_at.timestamp(),
        "at": time.time(),
        "attempt": occurrence.attempt,
    }
    os.write(_log(), json.dumps(line).encode() + b"\n")


@handler("appointment_check_in")
def check_in(occurrence: Occurrence) -> None:
    """Note the instant of the effect, then take a moment, as real work does."""
    note(occurrence)
    time.sleep(WORK_SECONDS)


@handler("appointment_reminder")
def remind(occurrence: Occurrence) -> None:
    """Due long after the demo has ended."""
    check_in(occurrence)


@handler("appointment_follow_up")
def follow_up(occurrence: Occurrence) -> None:
    """Due long after the demo has ended."""
    check_in(occurrence)
