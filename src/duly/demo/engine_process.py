"""An engine in a process of its own, which does not outlive the one that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from duly.testing.processes import launched

STOP_SECONDS = 60.0


class EngineProcess:
    """`duly run` in a process of its own.

    arguments: of `duly run`. environment: variables that it gets on top of ours.
    """

    def __init__(
        self, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.holder = ""
        command = [sys.executable, "-m", "duly", "run", "--json", *arguments]
        self.process = subprocess.Popen(
            launched(command, None, signal.SIGKILL),
            env=os.environ | dict(environment or {}),
            stdout=subprocess.PIPE,
            text=True,
        )

    def await_start(self) -> None:
        """Wait until it says that it runs, and under which holder it claims."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise SystemExit(f"duly: error: an engine did not start (exit code {code})")
        self.holder = json.loads(line)["holder"]

    def stop(self) -> int:
        """Stop it gracefully, if it still runs; gives its exit code."""
        self.ask_to_stop()
        self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode

    def ask_to_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        with suppress(ProcessLookupError):
            self.process.kill()
