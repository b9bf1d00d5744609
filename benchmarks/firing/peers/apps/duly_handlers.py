"""The handler that duly runs."""

from __future__ import annotations

from benchmarks.firing.records import note
from duly.registry import Occurrence, handler


@handler("firing")
def fire(occurrence: Occurrence) -> None:
    """Note the firing."""
    note(occurrence.due_at.timestamp())
