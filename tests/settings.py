"""Django settings of the test suite: one database of each kind, side by side.

The controller of the test run starts the servers and says here, by environment, where
they are (see conftest). Importing this needs no server, for mypy and makemigrations.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from duly.service.database_url import database_from_url, sqlite_database

FOLDER = Path(os.environ.get("DULY_TEST_FOLDER") or tempfile.gettempdir())
NO_SERVER = "postgresql://nobody@127.0.0.1:1/postgres"

# As in production: write-ahead log, IMMEDIATE transactions, synchronous=FULL.
_sqlite = sqlite_database(FOLDER / "duly.sqlite3")
_sqlite["TEST"] = {"NAME": str(FOLDER / "test_duly.sqlite3")}
_postgres = database_from_url(os.environ.get("DULY_TEST_DATABASE_URL") or NO_SERVER)
_postgres["TEST"] = {"NAME": "test_duly"}

DATABASES = {"default": _sqlite, "postgres": _postgres}
DATABASE_ALIASES = {"sqlite": "default", "postgres": "postgres"}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "ninja",
    "duly",
]
STATIC_URL = "/static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        # What the admin asks for; nothing else of the suite does.
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DULY: dict[str, object] = {}
SECRET_KEY = "only-for-tests"
USE_TZ = True
TIME_ZONE = "UTC"
