"""Append-only logs outside of duly's database, on one clock that nobody steps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIRECTORY_VARIABLE = "CAMPAIGN_DIRECTORY"
FAILPOINT_VARIABLE = "CAMPAIGN_FAILPOINT"
WITHOUT_VARIABLE = "CAMPAIGN_WITHOUT"
"""The types of event that an engine does not know."""
BROKER_VARIABLE = "CAMPAIGN_BROKER"
"""Where Celery's messages go, if they do."""
ORIGIN_VARIABLE = "CAMPAIGN_ORIGIN"
"""The wall clock's time at monotonic zero, as the director read it."""


def origin() -> float:
    """Give the campaign's fixed relation of wall clock to monotonic clock."""
    return float(os.environ[ORIGIN_VARIABLE])


def now() -> float:
    """Give seconds since the epoch, carried on the monotonic clock of this machine."""
    return origin() + time.clock_gettime(time.CLOCK_MONOTONIC)


class Log:
    """One file of one process; every line is one write, which a kill cannot tear in two."""

    def __init__(self, directory: Path, name: str) -> None:
        path = directory / f"{name}-{os.getpid()}.jsonl"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **line: Any) -> None:
        """Append a line."""
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


class Tail:
    """Reads what is appended to the logs of a name, by any process."""

    def __init__(self, directory: Path, name: str, *, from_start: bool = False) -> None:
        self._directory = directory
        self._name = name
        self._read: dict[Path, int] = {}
        if not from_start:
            self.new()

    def new(self) -> list[dict[str, Any]]:
        """Give the lines that have come since they were read last."""
        found = []
        for path in self._directory.glob(f"{self._name}-*.jsonl"):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            found += [json.loads(line) for line in whole.splitlines()]
        return found


def lines(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """Read the lines of every process; one that was never finished is none."""
    for path in sorted(directory.glob(f"{name}-*.jsonl")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)
