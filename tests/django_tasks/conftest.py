"""Engines, and what they say, as the engine's own tests have them."""

from __future__ import annotations

from tests.engine.conftest import handle, signals, start_engine, using

__all__ = ["handle", "signals", "start_engine", "using"]
