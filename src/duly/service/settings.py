"""Django settings of the standalone mode; everything comes from the environment.

They are as small as commands and engines need. `duly.service.web_settings` adds what serves.

DULY_DATABASE_URL: see `duly.service.database_url`; unset, it is `duly.sqlite3` in the
    current directory.
DULY_HANDLERS: modules that hold handlers, parted by commas.
DULY_LOG_FORMAT: "text", or "json", an object a line; see `duly.exporters.logs`.
DULY_<NAME>: each setting of `duly.conf.Config`, such as DULY_LEASE_SECONDS=3.
"""

from __future__ import annotations

import os
from pathlib import Path

from duly.service.database_url import database_from_url, sqlite_database
from duly.service.environment import log_format_in, names_in, settings_from

_url = os.environ.get("DULY_DATABASE_URL", "")
DATABASES = {"default": database_from_url(_url) if _url else sqlite_database(Path("duly.sqlite3"))}

# Alone, the one who schedules is seldom the one who handles: accept every event type.
DULY = {"STRICT": False} | settings_from(os.environ)
DULY_HANDLERS = names_in(os.environ.get("DULY_HANDLERS", ""))

INSTALLED_APPS = ["duly", "duly.service"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "duly.exporters.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": log_format_in(os.environ)}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
