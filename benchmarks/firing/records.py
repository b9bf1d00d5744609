"""The handler that everybody runs, and what it left: one record of two doubles for each firing.

A single write to a file opened for appending: processes and threads need no lock, and the
file's size is the count. Imports nothing of ours, for it is loaded by every worker.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "FIRING_RECORDS"
_RECORD = struct.Struct("<dd")


def note(due_at: float) -> None:
    """Append that what was due at `due_at` (POSIX seconds) fires now."""
    os.write(_descriptor(), _RECORD.pack(due_at, time.time()))


@cache
def _descriptor() -> int:
    # Kept open, and inherited by forked workers: opening costs more than writing.
    return os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


@dataclass(frozen=True, slots=True)
class Record:
    """One firing, in POSIX seconds."""

    due_at: float
    fired_at: float

    @property
    def lateness(self) -> float:
        """Seconds from its due instant; negative where it was early."""
        return self.fired_at - self.due_at


def count(path: Path) -> int:
    """Count the firings, without reading them."""
    try:
        return path.stat().st_size // _RECORD.size
    except FileNotFoundError:
        return 0


def read(path: Path) -> list[Record]:
    """Read the firings, in the order of their writing."""
    data = path.read_bytes() if path.exists() else b""
    whole = len(data) - len(data) % _RECORD.size
    return [Record(due, fired) for due, fired in _RECORD.iter_unpack(data[:whole])]
