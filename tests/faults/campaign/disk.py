"""A disk that can be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from duly.testing.processes import Folder, unprivileged_account


def why_no_small_disk() -> str:
    """Say why no small disk can be mounted here; empty where it can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "mounting a small disk needs root"
    return ""


class SmallDisk:
    """A disk of so many megabytes, that can be filled."""

    def __init__(self, megabytes: int) -> None:
        self._folder = Folder(unprivileged_account())
        self.path: Path = self._folder.make("disk")
        self._megabytes = megabytes

    def __enter__(self) -> Self:
        options = f"size={self._megabytes}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True)
        self._folder.give(self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self._folder.remove()

    def fill(self) -> None:
        """Leave no room."""
        block = bytes(64 * 1024)
        try:
            with (self.path / "filler").open("wb", buffering=0) as filler:
                while filler.write(block) == len(block):
                    pass
        except OSError:
            pass  # That is it.

    def free(self) -> None:
        """Give the room back."""
        (self.path / "filler").unlink(missing_ok=True)
