"""`duly doctor`: one page that says what is well, what is not, and what to do about it."""

from __future__ import annotations

import json
from argparse import Namespace

from duly.cli.tables import bold, dim, visible
from duly.doctor.examine import Line, examine, verdict
from duly.doctor.findings import Level

INDENT = " " * 6


def perform(options: Namespace) -> int:
    """Print a line for each check; 0, 1 or 2 for the worst of them: OK, WARN or FAIL."""
    lines = examine()
    worst = verdict(lines)
    if options.json:
        data = [_data(line) for line in lines]
        print(json.dumps({"verdict": worst.name, "checks": data}))
        return int(worst)
    width = max(len(line.check) for line in lines)
    for line in lines:
        _print(line, width)
    warned = sum(line.finding.level is Level.WARN for line in lines)
    failed = sum(line.finding.level is Level.FAIL for line in lines)
    print(f"\n{worst.name}: {failed} failed, {warned} to look at, of {len(lines)}")
    return int(worst)


def _print(line: Line, width: int) -> None:
    finding = line.finding
    head = f"{finding.level.name:<4}"
    said = head if finding.level is Level.OK else bold(head)
    print(f"{said}  {line.check:<{width}}  {visible(finding.found)}")
    if finding.fix:
        print(dim(f"{INDENT}{'':<{width}}  -> {visible(finding.fix)}"))


def _data(line: Line) -> dict[str, str]:
    finding = line.finding
    return {
        "check": line.check,
        "level": finding.level.name,
        "found": finding.found,
        "fix": finding.fix,
    }
