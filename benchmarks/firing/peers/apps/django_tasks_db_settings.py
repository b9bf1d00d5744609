"""Django settings of the project that runs django-tasks-db."""

from __future__ import annotations

import os

from duly.service.database_url import database_from_url

_database = database_from_url(os.environ["FIRING_DATABASE_URL"])
# Kept open between tasks, as its own documentation advises for workers.
DATABASES = {"default": _database | {"CONN_MAX_AGE": None}}
INSTALLED_APPS = ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
USE_TZ = True
TIME_ZONE = "UTC"
DEBUG = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
