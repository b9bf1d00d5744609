"""What the rig asks of everybody that it compares, and how their processes are run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Protocol

from benchmarks.firing import instants
from benchmarks.firing.errors import PeerFailed
from benchmarks.firing.place import Place
from duly.testing import processes

LONGEST_CALL_SECONDS = 1200.0
STOP_SECONDS = 15.0
LOG_SHOWN = 1500


class Contender(Protocol):
    """Something that fires events."""

    name: ClassVar[str]

    def prepare(self, dues: Sequence[float]) -> None:
        """Store an event for each instant (POSIX seconds)."""
        ...

    def start(self) -> None:
        """Start the processes that fire; returns at once."""
        ...

    def unfinished(self) -> int:
        """Count the due events that its database does not show as finished; 0 if it keeps none."""
        ...

    def stop(self) -> None:
        """End its processes, whatever they do."""
        ...

    def pids(self) -> list[int]:
        """Give its processes that were started; their children are found by the rig."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How a peer's stored rows are multiplied in SQL: copies of one row, but for some columns."""

    table: str
    differing: dict[str, str]
    """SQL expressions by column; `g` is the number of the copy."""


class Peer:
    """A contender that runs as processes of Python, one of them for each worker.

    What must be imported with a peer's own settings (its tables, its way to schedule) is in
    `benchmarks.firing.peers.apps`, and called in a process of its own.
    """

    name: ClassVar[str]
    app: ClassVar[str]
    """Its module in `benchmarks.firing.peers.apps`."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What must be importable."""
    packages: ClassVar[tuple[str, ...]] = ()
    """What its versions are read from."""
    needs_redis: ClassVar[bool] = False
    configured: ClassVar[str] = ""
    """How it is set up, in one line for the reader of a table."""
    most: ClassVar[int | None] = None
    """The largest burst that it ends in a bearable time; None: any."""
    most_stored: ClassVar[int] = 0
    """How many events of the far future it is given at most; 0: not asked."""
    seconds_to_store: ClassVar[float] = 0.0005
    """About what storing one event takes it, so that events lie ahead of time."""
    seconds_to_start: ClassVar[float] = 8.0
    """After which all its processes surely wait for work."""
    unfinished_query: ClassVar[str | None] = None
    claim_query: ClassVar[str] = ""
    """The statement that finds what is due, for EXPLAIN."""
    stored: ClassVar[Stored | None] = None

    def __init__(self, place: Place) -> None:
        self.place = place
        self._running: list[subprocess.Popen[bytes]] = []

    @classmethod
    def missing(cls) -> str:
        """Say why it cannot run here; empty where it can."""
        absent = [module for module in cls.needs if find_spec(module) is None]
        return f"{', '.join(absent)} not installed" if absent else ""

    def commands(self) -> list[list[str]]:
        """Give the command line of each of its processes."""
        raise NotImplementedError

    def make_tables(self) -> None:
        """Make what its tables are; once for a database."""
        if not self.place.has_tables:
            self.call("create_tables")
            self.place.has_tables = True

    def prepare(self, dues: Sequence[float]) -> None:
        self.make_tables()
        if not dues:
            return
        path = self.place.folder / "dues"
        instants.write(path, dues)
        self.call("schedule", str(path))

    def start(self) -> None:
        for command in self.commands():
            self._running.append(self._spawn([sys.executable, *command]))

    def unfinished(self) -> int:
        if self.unfinished_query is None:
            return 0
        return int(self.place.ask(self.unfinished_query)[0][0])

    def pids(self) -> list[int]:
        return [process.pid for process in self._running]

    def stop(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, end - time.monotonic()))
            # Each leads a group of its own, that holds its children.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def call(self, function: str, *arguments: str, app: str = "") -> Any:
        """Call a function of its application to the end; gives what it gave.

        app: another module of `benchmarks.firing.peers.apps`.
        """
        module = f"benchmarks.firing.peers.apps.{app or self.app}"
        command = ["-m", "benchmarks.firing.call", module, function, *arguments]
        printed = self.place.folder / f"{function}.json"
        printed.unlink(missing_ok=True)
        printed.touch()
        process = processes.spawn(
            [sys.executable, *command], None, printed, signal.SIGKILL, self.place.variables()
        )
        try:
            code = process.wait(LONGEST_CALL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise PeerFailed(f"{self.name}: {function} took too long") from None
        text = printed.read_text()
        if code:
            raise PeerFailed(f"{self.name}: {function} failed:\n{text[-LOG_SHOWN:]}")
        return json.loads(text.splitlines()[-1])

    def await_that(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something. Raises PeerFailed at the end of the time, or of a process."""
        end = time.monotonic() + seconds
        while not holds():
            ended = [process for process in self._running if process.poll() is not None]
            if ended or time.monotonic() > end:
                why = "a process ended" if ended else f"not within {seconds:g} s"
                log = self.place.log.read_text(errors="replace")[-LOG_SHOWN:]
                raise PeerFailed(f"{self.name}: {what}: {why}\n{log}")
            time.sleep(processes.POLL_SECONDS)

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        return processes.spawn(
            command, None, self.place.log, signal.SIGKILL, self.place.variables()
        )
