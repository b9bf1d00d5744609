"""Tables, and what must be said beside every number."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tzdata  # type: ignore[import-untyped,unused-ignore]


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, markdown: bool) -> str:
    """Set a table: the first column to the left, the others to the right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        [cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in pairs]
        for pairs in (list(enumerate(zip(row, widths, strict=True))) for row in cells)
    ]
    if not markdown:
        rule = ["-" * width for width in widths]
        return "\n".join("  ".join(line).rstrip() for line in [lines[0], rule, *lines[1:]])
    rule = [
        "-" * width if not column else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def installed(package: str) -> str | None:
    """Give the version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment(packages: Iterable[str]) -> dict[str, str]:
    """Say what was measured, on what, and by which command."""
    program = f"python -m benchmarks.{Path(sys.argv[0]).stem}"
    return {
        "command": " ".join([program, *sys.argv[1:]]),
        "python": f"{platform.python_version()} on {os.cpu_count()} CPUs",
        "tzdata": tzdata.IANA_VERSION,
        **{package: installed(package) or "not installed" for package in packages},
    }


def lines(facts: dict[str, str], *, markdown: bool) -> str:
    """Set facts one below the other."""
    if markdown:
        return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    width = max(map(len, facts))
    return "\n".join(f"{name.ljust(width)}  {fact}" for name, fact in facts.items())


def write_json(path: str | None, data: dict[str, Any]) -> None:
    """Write the data to a file, if one is named."""
    if path:
        Path(path).write_text(json.dumps(data, indent=1, default=str) + "\n", "utf-8")
