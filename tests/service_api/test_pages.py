"""What the pages on the client and on other languages show does what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.service_api.running import ROOT, Running

CLIENT = ROOT / "docs" / "how-to" / "use-the-client.md"
OTHERS = ROOT / "docs" / "how-to" / "from-other-languages.md"
SECONDS = 60.0


def blocks(page: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)


def variables(service: Running, whose: str = "mine") -> dict[str, str]:
    key = service.keys[whose]
    return {"DULY_URL": service.url, "DULY_SERVICE": key.service, "DULY_KEY": key.secret}


def run(command: list[str], environment: Mapping[str, str], folder: Path) -> str:
    done = subprocess.run(
        command,
        env=os.environ | dict(environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_on_the_client_does_what_it_says(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables(service).items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {"__name__": "shown"}

    for block in blocks(CLIENT, "python"):
        exec(compile(block, str(CLIENT), "exec", dont_inherit=True), names)

    told = capsys.readouterr().out
    assert "2031-03-30 09:00:00+11:00" in told
    assert "timezone_context.execution_timezone" in told
    assert "Europe/Kyiv" in told


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_page_on_curl_does_what_it_says(service: Running, tmp_path: Path) -> None:
    script = "set -eu\n" + "\necho\n".join(blocks(OTHERS, "sh"))

    told = run(["sh", "-c", script], variables(service, "theirs"), tmp_path)

    assert '"scheduled_time": "2031-03-30T09:00:00+11:00"' in told
    assert told.count('"status": 201') == 2
    assert '"scheduled_time": "2031-03-29T23:00:00+01:00"' in told
    assert '"status": "cancelled"' in told


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_the_page_on_javascript_does_what_it_says(service: Running, tmp_path: Path) -> None:
    (block,) = blocks(OTHERS, "js")
    (tmp_path / "shown.mjs").write_text(block)

    told = run(["node", "shown.mjs"], variables(service), tmp_path)

    assert "2031-03-30T09:00:00+11:00" in told
    assert "from_timezone unknown time zone 'Europe/Kiew'" in told


@pytest.mark.skipif(not shutil.which("go"), reason="there is no go: apt-get install golang-go")
def test_the_page_on_go_does_what_it_says(service: Running, tmp_path: Path) -> None:
    (block,) = blocks(OTHERS, "go")
    (tmp_path / "main.go").write_text(block)
    (tmp_path / "go.mod").write_text("module shown\n\ngo 1.19\n")

    run(["go", "vet", "."], {}, tmp_path)
    told = run(["go", "run", "."], variables(service), tmp_path)

    assert "2031-03-30 09:00:00 +1100" in told
    assert "cancelled" in told
