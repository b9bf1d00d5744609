"""What runs in this process besides the web: its engine, if it has one."""

from __future__ import annotations

from duly.engine.loop import Engine

_engine: Engine | None = None


def runs(engine: Engine | None) -> None:
    """Say which engine this process runs; before its web application is made."""
    global _engine
    _engine = engine


def engine() -> Engine | None:
    """Give the engine of this process; None where none is to run here."""
    return _engine
