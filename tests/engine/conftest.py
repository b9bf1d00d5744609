"""Engines that tests start, and handlers that exist for one test."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from duly import registry, telemetry
from duly.conf import config
from duly.engine.loop import Engine
from duly.engine.options import EngineOptions
from duly.registry import handler


@pytest.fixture
def using(database: str, settings: Any) -> str:
    """Make the database under test the one that duly uses."""
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def handle() -> Iterator[Callable[..., Any]]:
    """`duly.handler`, undone after the test."""
    names: list[str] = []

    def register(event_type: str, function: Callable[..., Any], **options: Any) -> None:
        names.append(event_type)
        handler(event_type, **options)(function)

    yield register
    for name in names:
        registry.unregister(name)


class Signals:
    """What the engine says about itself, to wait for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.fields: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()

    def __call__(self, name: str, fields: Any) -> None:
        with self._changed:
            self.counts[name] += fields.get("count", 1)
            self.counts[f"{name} fenced"] += fields.get("fenced", 0)
            self.counts[f"{name} {fields.get('part')}"] += 1
            self.fields[name] = dict(fields)
            self._changed.notify_all()

    def wait(self, name: str, count: int = 1, seconds: float = 15) -> dict[str, Any]:
        """Wait until `name` was said of `count` things; gives its last fields."""
        with self._changed:
            met = self._changed.wait_for(lambda: self.counts[name] >= count, seconds)
            assert met, f"{name} was said {self.counts[name]} of {count} times in {seconds} s"
            return self.fields.get(name, {})


@pytest.fixture
def signals() -> Iterator[Signals]:
    heard = Signals()
    end = telemetry.subscribe(heard)
    yield heard
    end()


@pytest.fixture
def start_engine(using: str) -> Iterator[Callable[..., Engine]]:
    """Start engines on the database under test; what still runs is stopped after the test."""
    engines: list[Engine] = []

    def start(**options: Any) -> Engine:
        settings: dict[str, Any] = {"grace_seconds": 5.0, "lease": timedelta(seconds=10)} | options
        engine = Engine(replace(EngineOptions.of(config()), **settings))
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.stop()
