"""The rig runs, and measures something in every scenario; what it measures is not judged here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 240.0
# What must have been measured, whoever is in the table.
MEASURED = {
    "burst": "events_per_second",
    "punctuality": "p99_ms",
    "scale": "claim_ms",
    "scheduling": "events_per_second",
    "recurring": "fired_per_second",
    "old-snapshot": "claim_last_ms",
    "pooler": "events_per_second",
    "sustained": "p99_ms",
}


@pytest.mark.slow
def test_every_scenario_is_measured_in_miniature(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = ["-m", "benchmarks.firing", "--small", "--peers", "duly,limit", "--json", str(found)]

    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    scenarios = json.loads(found.read_text())["scenarios"]
    assert set(scenarios) == set(MEASURED)
    for name, value in MEASURED.items():
        rows = scenarios[name]["rows"]
        assert rows, name
        for row in rows:
            assert all(values[value] > 0 for values in row["rounds"]), (name, row)
            assert all(math.isfinite(values[value]) for values in row["rounds"]), (name, row)
            assert row["rounds"], (name, row)


@pytest.mark.slow
def test_a_peer_that_is_unknown_is_no_peer_left_out() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.firing", "--peers", "dulli"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "unknown peers dulli" in done.stderr
