"""duly and Celery: occurrences run by Celery's workers, and duly in the place of beat.

`celery -A proj beat -S duly.celery:Scheduler`. The names are resolved on first use: importing
this needs neither Celery nor Django to be ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duly.celery.publisher import CeleryPublisher
    from duly.celery.scheduler import Scheduler

__all__ = ["CeleryPublisher", "Scheduler"]

_HOMES = {"CeleryPublisher": "duly.celery.publisher", "Scheduler": "duly.celery.scheduler"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duly.celery' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
