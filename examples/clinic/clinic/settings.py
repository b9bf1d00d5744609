"""Settings: SQLite alone, or PostgreSQL, Redis and Celery with CLINIC_STACK=full.

DATABASE_URL and REDIS_URL say where the two servers are, if not where they usually are.
"""

import os
from pathlib import Path

import django

from duly import database_from_url

BASE_DIR = Path(__file__).resolve().parent.parent
IS_FULL_STACK = os.environ.get("CLINIC_STACK") == "full"

SECRET_KEY = "only-for-this-example"  # noqa: S105 - it keeps nothing secret here
DEBUG = True
INSTALLED_APPS = ["duly", "appointments"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Mails are printed.
_MAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAIL_BACKEND}}
else:
    EMAIL_BACKEND = _MAIL_BACKEND
DEFAULT_FROM_EMAIL = "desk@clinic.example"
OPERATORS = ["operators@clinic.example"]

if IS_FULL_STACK:
    DATABASES = {
        "default": database_from_url(
            os.environ.get("DATABASE_URL", "postgresql://localhost/clinic")
        )
    }
    CELERY_BROKER_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    # What goes to patients and to the payment provider is run by Celery's workers; all else by
    # the engine itself.
    DULY = {
        "SERVICES": {
            "communication": {"target": "celery", "queue": "communication"},
            "billing": {"target": "celery", "queue": "billing", "breaker": True},
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": BASE_DIR / "db.sqlite3",
            # Several processes write: `manage.py check --database default` asks for these.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
        }
    }
