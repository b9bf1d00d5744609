"""The benchmark of pages runs, and every page is there; nothing is judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 240.0
SMALL = ["--events=2000", "--occurrences=2000", "--storm=100", "--repeats=1", "--no-judge"]


@pytest.mark.slow
def test_every_page_is_timed_in_miniature(tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pages", *SMALL, "--json", str(found)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    pages = json.loads(found.read_text())["pages"]
    assert {page["status"] for page in pages} == {200}
    assert "dashboard" in {page["name"] for page in pages}
