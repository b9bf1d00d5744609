"""A handler that notes its effects outside of duly's database, and then works for a moment."""

from __future__ import annotations

import json
import os
import time

from duly import clock
from duly.registry import Occurrence, handler
from tests.faults.campaign import logs

# Tests that wait for a clock to be believed would wait for a minute.
if seconds := os.environ.get("PROBE_CONFIRM_SECONDS"):
    clock.CONFIRM_SECONDS = float(seconds)


@handler("probe")
def probe(occurrence: Occurrence) -> None:
    """Append one line, in one write, to the file of this process.

    payload: seconds that the first attempt takes after its effect.
    """
    path = os.path.join(os.environ["PROBE_DIRECTORY"], f"effects-{os.getpid()}.jsonl")
    line = {
        "key": occurrence.idempotency_key,
        "attempt": occurrence.attempt,
        # By a clock that no test steps.
        "lateness": logs.now() - occurrence.due_at.timestamp(),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)
    if occurrence.attempt == 1:
        time.sleep(occurrence.payload)
