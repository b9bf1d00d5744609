"""A patient for the checks, and what they find of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db import connections

from duly.conf import config
from duly.doctor.examine import MODULES
from duly.doctor.findings import Finding, Level, Patient, checks
from tests.builders import NOW

Look = Callable[..., list[Finding]]

for _module in MODULES:
    import_module(f"duly.doctor.{_module}")


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def look(using: str) -> Look:
    """Run one check on the database under test; gives what it finds, the worst first."""

    def run(name: str, **fields: Any) -> list[Finding]:
        given: dict[str, Any] = {"using": using, "now": NOW, "vendor": connections[using].vendor}
        patient = Patient(config=config(), **given | fields)
        found = checks[name].examine(patient)
        every = [found] if isinstance(found, Finding) else list(found)
        return sorted(every, key=lambda one: -one.level)

    return run


def worst(found: list[Finding]) -> Level:
    """Give the level of the worst finding."""
    return found[0].level
