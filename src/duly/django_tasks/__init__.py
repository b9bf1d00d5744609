"""duly and django.tasks: a backend of it, and a place to run occurrences in.

`TASKS = {"default": {"BACKEND": "duly.django_tasks.DulyBackend"}}`. On Django 6 this is
`django.tasks`; on 5.2 the backport `django-tasks`, which is `django_tasks` to Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duly.django_tasks.backend import DulyBackend
    from duly.django_tasks.publisher import TasksPublisher

__all__ = ["DulyBackend", "TasksPublisher"]

_HOMES = {
    "DulyBackend": "duly.django_tasks.backend",
    "TasksPublisher": "duly.django_tasks.publisher",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duly.django_tasks' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
