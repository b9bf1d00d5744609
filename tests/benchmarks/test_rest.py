"""The benchmark of scheduling over REST runs, and measures everything; nothing is judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 240.0
SMALL = [
    *("--clients=2", "--seconds=1", "--bulk=500", "--rate=20", "--firing=2", "--rounds=1"),
    *("--no-judge", "--engine=within"),
]


@pytest.mark.campaign
def test_everything_is_measured_in_miniature(tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rest", *SMALL, "--json", str(found)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| ratio " in done.stdout
    kept = json.loads(found.read_text())
    assert len(kept["single"][0]["seconds"]) > 2
    assert kept["bulk_per_second"][0] > 0
    for name in "AB":
        (one,) = kept["lateness"][name]
        assert len(one["seconds"]) == one["expected"] == 40
    assert kept["lateness"]["B"][0]["bulk_per_second"] > 0
