"""A wall clock of one's own for a process, that a test sets and steps; no other clock moves."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

SHIFT_VARIABLE = "WALL_CLOCK_SHIFT"
SOURCE = Path(__file__).with_name("shift.c")
_NANOSECONDS = 1_000_000_000


@cache
def why_not() -> str:
    """Say why clocks are not shifted here; empty where they are.

    In CI a missing compiler is a failure of what needs it, for nobody would see it skipped.
    """
    if sys.platform != "linux":
        return "LD_PRELOAD is Linux's"
    if not sysconfig.get_config_var("HAVE_SEM_CLOCKWAIT"):
        return "this Python's waits follow the wall clock: its C library has no sem_clockwait"
    if not _compiler() and os.environ.get("CI") != "true":
        return "there is no C compiler (cc, gcc, or what CC names)"
    return ""


class WallClock:
    """Shifts the wall clock of every process that is started with its `environment`.

    ::

        with WallClock() as clock:
            Popen(command, env=os.environ | clock.environment)
            clock.set(300.0)

    Its files can be read by other users, as whom servers run.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        # Not pytest's folder, which is closed to other users.
        self._folder = Path(tempfile.mkdtemp(prefix="duly-clock-"))
        self._folder.chmod(0o755)
        library = _compiled(self._folder / "shift.so")
        path = self._folder / "shift"
        path.write_bytes(bytes(8))
        path.chmod(0o644)
        with path.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)
        self.environment = {"LD_PRELOAD": str(library), SHIFT_VARIABLE: str(path)}
        self.set(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """How far it is ahead."""
        (nanoseconds,) = struct.unpack("=q", self._shift[:])
        return float(nanoseconds / _NANOSECONDS)

    def set(self, seconds: float) -> None:
        """Set it so far ahead of the real time, at once and for every process."""
        self._shift[:] = struct.pack("=q", round(seconds * _NANOSECONDS))

    def step(self, seconds: float) -> None:
        """Move it ahead, or back, by so much."""
        self.set(self.seconds + seconds)

    def close(self) -> None:
        """Delete its files; processes that run keep the clock that they have."""
        self._shift.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")


def _compiled(library: Path) -> Path:
    compiler = _compiler()
    assert compiler, "there is no C compiler"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    library.chmod(0o755)
    return library
