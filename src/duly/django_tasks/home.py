"""Where django.tasks is: Django's own, else its backport. They differ in names of errors only."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

HOME = "django.tasks" if find_spec("django.tasks") else "django_tasks"


def is_there() -> bool:
    """Say whether there is one."""
    return find_spec(HOME) is not None


def part(name: str = "") -> Any:
    """Import a module of it: "base", "exceptions", "signals"; "" is itself."""
    return import_module(f"{HOME}.{name}" if name else HOME)
