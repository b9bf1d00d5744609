"""A tracer provider that exists for one test, and what it was told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.conftest import handle, signals, start_engine, using
from tests.exporters.spans import Spans, collected

__all__ = ["handle", "signals", "spans", "start_engine", "using"]


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Let duly trace into memory."""
    with collected() as found:
        yield found
