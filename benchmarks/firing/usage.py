"""What processes use: processor time and memory, as the kernel counts them (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(roots: Iterable[int]) -> float:
    """Add up user and system time of these processes and of all their descendants.

    Descendants that have ended are in their parent's count once it has waited for them, as a
    postmaster does.
    """
    ticks = 0
    for pid in family(roots):
        fields = _stat(pid)
        # utime, stime, cutime, cstime: fields 14 to 17, of which two come before these.
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def resident_bytes(roots: Iterable[int]) -> int:
    """Add up the resident memory of these processes and of their descendants."""
    pages = 0
    for pid in family(roots):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return pages * _PAGE


def family(roots: Iterable[int]) -> list[int]:
    """Give these processes and all their descendants that live."""
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        found.append(pid)
        for task in _tasks(pid):
            try:
                waiting += map(int, (task / "children").read_text().split())
            except OSError:
                continue
    return found


def _tasks(pid: int) -> list[Path]:
    # A thread's children are listed with that thread.
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
