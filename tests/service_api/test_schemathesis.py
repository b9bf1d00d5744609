"""The API keeps what its description promises, whatever is sent (schemathesis looks for what)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service_api import ndjson
from tests.service_api.running import Running

SECONDS = 60
SPARE_SECONDS = 120
# It never ends by itself.
STREAMS = "stream"
# --checks would switch on again what is switched off here.
CONFIGURATION = """
[checks]
# Beyond any schema: that a zone exists, that two fields go together.
positive_data_acceptance.enabled = false
# Which of two faults is told is ours to choose: a stale ETag comes before a body.
[checks.negative_data_rejection]
expected-statuses = [
    "400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "428", "429",
    "5xx",
]

# What is wrong with an item of many is said of that item, in an answer of 200; which body of what
# is made up breaks the schema cannot be told from one that breaks an item.
[[operations]]
include-path = "/api/events/bulk"
checks.negative_data_rejection.enabled = false
"""


@pytest.mark.slow
def test_every_answer_is_as_described(service: Running, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    headers = [f"{name}:{value}" for name, value in service.keys["mine"].headers().items()]
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={configuration}",
        "run",
        f"{service.url}/api/openapi.json",
        *(part for header in headers for part in ("--header", header)),
        f"--max-time={SECONDS}",
        "--request-timeout=10",
        "--generation-database=none",
        "--suppress-health-check=all",
        f"--exclude-path-regex={STREAMS}",
        "--continue-on-failure",
        "--no-color",
        "--warnings=off",
        f"--report-json-path={report}",
    ]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(ndjson.__file__)},
        capture_output=True,
        text=True,
        timeout=SECONDS + SPARE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[:20_000] + done.stderr[-2000:]
    # Nothing has failed but the handler that always does.
    log = service.log.read_text(errors="replace")
    assert log.count("Traceback") == log.count("error=ValueError: never")
