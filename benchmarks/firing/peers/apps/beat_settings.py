"""Django settings of the project that runs django-celery-beat."""

from __future__ import annotations

import os

from duly.service.database_url import database_from_url

DATABASES = {"default": database_from_url(os.environ["FIRING_DATABASE_URL"])}
INSTALLED_APPS = ["django_celery_beat"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
