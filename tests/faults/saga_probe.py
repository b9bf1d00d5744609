"""A saga whose handlers note their effects outside of duly's database, and take a moment."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

from duly.definitions import SagaBuilder, saga
from duly.policy.retry import GiveUp, Retry
from duly.registry import Occurrence, handler

STEPS = ("room", "surgeon", "patient", "nurse", "perform")
QUICK = Retry(attempts=20, base=timedelta(seconds=0.2), cap=timedelta(seconds=1))
WORK_SECONDS = 0.05


@saga("operation")
def operation(saga: SagaBuilder) -> None:
    """Four steps, three of them side by side; the last one dies where the context says so."""
    saga.step("room", compensate="undo_room")
    with saga.parallel():
        for name in STEPS[1:4]:
            saga.step(name, compensate=f"undo_{name}")
    saga.step("perform")


def act(occurrence: Occurrence) -> None:
    """Append one line, in one write, to the file of this process."""
    path = os.path.join(os.environ["PROBE_DIRECTORY"], f"effects-{os.getpid()}.jsonl")
    line = {
        "saga": occurrence.payload["saga"],
        "name": occurrence.event_type,
        "key": occurrence.idempotency_key,
        "attempt": occurrence.attempt,
        "at": time.monotonic(),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)
    time.sleep(WORK_SECONDS)
    if occurrence.event_type == occurrence.payload["context"]["dying"]:
        raise GiveUp("no")


for _name in STEPS:
    handler(_name, retry=QUICK)(act)
    handler(f"undo_{_name}", retry=QUICK, atomic=True)(act)
