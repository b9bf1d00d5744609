"""Resolution as java.time has it, whose defaults are ours: a gap shifts, an overlap is first.

A JDK may carry older zone data than we do. So only those changes are compared which both see
at the same second, between the same UTC offsets.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from duly.civil.resolve import resolve
from duly.civil.zones import get_zone
from tests.civil import oracle

SOURCE = Path(__file__).with_name("OfLocal.java")
SECOND = timedelta(seconds=1)


class Asked(NamedTuple):
    """A civil time near a change, the last second before it, and the first of it."""

    zone: str
    local: datetime
    before: datetime
    after: datetime


def _asked() -> Iterator[Asked]:
    for zone in oracle.names():
        for change in get_zone(zone).transitions(oracle.START, oracle.END):
            low, high = sorted([change.wall_time_before, change.wall_time_after])
            for local in (low - SECOND, low, low + (high - low) / 2, high - SECOND, high):
                yield Asked(zone, local, change.at - SECOND, change.at)


def _answers(asked: list[Asked]) -> list[list[str]]:
    java = shutil.which("java")
    assert java
    lines = [
        f"{zone} {local.isoformat()} {before.timestamp():.0f} {after.timestamp():.0f}\n"
        for zone, local, before, after in asked
    ]
    ran = subprocess.run(
        [java, str(SOURCE)], input="".join(lines), capture_output=True, text=True, timeout=120
    )
    if "only supported" in ran.stderr or "not found" in ran.stderr:
        pytest.skip(f"this java runs no source: {ran.stderr.strip()[:200]}")
    assert ran.returncode == 0, ran.stderr
    return [line.split() for line in ran.stdout.splitlines()]


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no java on the PATH")
def test_civil_times_around_every_change_resolve_as_java_resolves_them() -> None:
    asked = list(_asked())
    wrong, judged = [], 0

    for one, answer in zip(asked, _answers(asked), strict=True):
        zone = get_zone(one.zone)
        ours = [zone.offset_at(one.before), zone.offset_at(one.after)]
        if answer == ["-"] or [f"{offset.total_seconds():.0f}" for offset in ours] != answer[1:]:
            continue
        judged += 1
        (due,) = resolve(one.local, one.zone)
        if f"{due.at.timestamp():.0f}" != answer[0]:
            wrong.append((one.zone, one.local, due.at, answer))

    assert wrong == []
    assert judged > len(asked) // 2
