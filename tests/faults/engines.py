"""Engines in processes of their own, to be killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.campaign.logs import ORIGIN_VARIABLE

LEASE_SECONDS = 2.0


class EngineProcesses:
    """Starts `duly run` on a database, as often as it is asked to."""

    def __init__(
        self, database_url: str, directory: Path, handlers: str = "tests.faults.probe"
    ) -> None:
        self.directory = directory
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "duly.service.settings",
            "DULY_DATABASE_URL": database_url,
            "DULY_HANDLERS": handlers,
            "DULY_LEASE_SECONDS": str(LEASE_SECONDS),
            "DULY_HORIZON_SECONDS": "0.5",
            "PROBE_DIRECTORY": str(directory),
            ORIGIN_VARIABLE: repr(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)),
        }
        self.running: list[subprocess.Popen[str]] = []
        self._log = directory / "engines.log"

    def start(self, **variables: str) -> subprocess.Popen[str]:
        """Start an engine, with variables of its own, and wait until it says that it runs."""
        engine = self.launch(variables)
        assert engine.stdout is not None
        assert engine.stdout.readline(), "the engine did not start"
        return engine

    def launch(self, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start an engine that may die at once."""
        with self._log.open("ab") as log:
            engine = subprocess.Popen(
                [sys.executable, "-m", "duly", "run"],
                env={**self._environment, **variables},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.running.append(engine)
        return engine

    def kill(self, engine: subprocess.Popen[str]) -> None:
        """End it as a power cut would: no handler, no clean-up."""
        engine.kill()
        engine.communicate()
        self.running.remove(engine)

    def end(self) -> None:
        """Kill whatever still runs."""
        for engine in list(self.running):
            self.kill(engine)

    def said(self, name: str) -> list[dict[str, float]]:
        """Give the numbers that engines logged with `name`, in order."""
        lines = [line for line in self._log.read_text().splitlines() if f" {name} " in line]
        return [
            {key: float(value) for key, value in re.findall(r"(\w+)=(-?[0-9.]+)", line)}
            for line in lines
        ]

    def effects(self) -> list[dict[str, Any]]:
        """Read what the handlers did; a line that a kill cut off is no effect."""
        lines = [
            line
            for path in self.directory.glob("effects-*.jsonl")
            for line in path.read_text().splitlines(keepends=True)
        ]
        return [json.loads(line) for line in lines if line.endswith("\n")]


def eventually(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for another process to bring something about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
