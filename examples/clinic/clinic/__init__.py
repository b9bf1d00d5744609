"""The project; on the full stack with its Celery app, which engines publish with."""

from clinic.settings import IS_FULL_STACK

if IS_FULL_STACK:
    from clinic.celery import app as celery_app

    __all__ = ["celery_app"]
