"""Which broker a target is published to; each needs a package that duly itself does not."""

from __future__ import annotations

from importlib.util import find_spec

from duly.engine.executors.hand_over import Publisher
from duly.engine.targets import publish_by
from duly.errors import ConfigurationError
from duly.policy.service import CeleryTarget, TasksTarget


def register() -> None:
    """Let engines publish to Celery, and to backends of django.tasks."""
    publish_by(CeleryTarget, _celery)
    publish_by(TasksTarget, _tasks)


def _celery(target: CeleryTarget) -> Publisher:
    if find_spec("celery") is None:
        raise ConfigurationError(f"{target} needs Celery: pip install 'duly[celery]'")
    from duly.celery.publisher import CeleryPublisher

    return CeleryPublisher(target.queue)


def _tasks(target: TasksTarget) -> Publisher:
    from duly.django_tasks import home

    if not home.is_there():
        raise ConfigurationError(f"{target} needs Django 6, or pip install django-tasks")
    from duly.django_tasks.publisher import TasksPublisher

    return TasksPublisher(target.backend)
