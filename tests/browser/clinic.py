"""What the service of the browser's tests is given to do: copied into its folder as `clinic`."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import duly

MENDED = Path("mended")
LET_GO = Path("let_go")


@duly.handler("reminder")
def reminder(occurrence: duly.Occurrence) -> None:
    """Do at once what is to be done."""


@duly.handler("operation")
def operation(occurrence: duly.Occurrence) -> None:
    """Go on until a test lets it go."""
    while not LET_GO.exists():
        time.sleep(0.02)


@duly.handler("export", retry=duly.Retry(attempts=1))
def export(occurrence: duly.Occurrence) -> None:
    """Fail until a test has mended the printer."""
    if not MENDED.exists():
        raise ConnectionError("the printer on ward 3 does not answer")


@duly.handler("reserve_room")
def reserve_room(occurrence: duly.Occurrence) -> dict[str, Any]:
    """Give the first step's result."""
    return {"room": 7}


@duly.handler("free_room")
def free_room(occurrence: duly.Occurrence) -> None:
    """Undo it."""


@duly.saga("book_surgery")
def book_surgery(saga: duly.SagaBuilder) -> None:
    """Wait for a signal after the first step."""
    saga.step("reserve_room", compensate="free_room")
    saga.wait_for("consent", deadline=timedelta(days=2))
