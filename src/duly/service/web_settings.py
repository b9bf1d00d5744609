"""Django settings of the standalone service: those of `duly.service.settings`, and the web.

Everything comes from the environment: see `duly.service.options`, and docs/how-to/service.md.
Apart, because importing all that makes every command slower to start.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from duly.errors import ConfigurationError
from duly.service import settings as core
from duly.service.options import options_from
from duly.service.secret_key import secret_key

_needed = {
    "ninja": "django-ninja",
    "jwt": "PyJWT",
    "whitenoise": "whitenoise",
    "prometheus_client": "prometheus-client",
}
_missing = [package for module, package in _needed.items() if find_spec(module) is None]
if _missing:
    raise ConfigurationError(f"the service needs {_missing}: pip install 'duly[server]'")

DULY = core.DULY
DULY_HANDLERS = core.DULY_HANDLERS
DULY_SERVICE = options_from(os.environ)
DEFAULT_AUTO_FIELD = core.DEFAULT_AUTO_FIELD
USE_TZ = core.USE_TZ
TIME_ZONE = core.TIME_ZONE

# Each thread of the web server keeps its connection; one that has died is noticed.
DATABASES: dict[str, dict[str, Any]] = {
    "default": core.DATABASES["default"] | {"CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}
}
_is_sqlite = DATABASES["default"]["ENGINE"].endswith("sqlite3")
SECRET_KEY = secret_key(
    os.environ, Path(DATABASES["default"]["NAME"] if _is_sqlite else "duly.sqlite3")
)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Its documentation pages then load nothing from elsewhere.
    "ninja",
    *core.INSTALLED_APPS,
]
MIDDLEWARE = [
    # First: probes come by addresses that are no host names.
    "duly.service.probes.ProbesMiddleware",
    "duly.service.security.ContentSecurityMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Calls of the API go no further.
    "duly.rest.direct.DirectMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "duly.service.urls"
WSGI_APPLICATION = "duly.service.wsgi.application"
ASGI_APPLICATION = "duly.service.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

DEBUG = False
ALLOWED_HOSTS = DULY_SERVICE.hosts
CSRF_TRUSTED_ORIGINS = [DULY_SERVICE.origin] if DULY_SERVICE.origin else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = DULY_SERVICE.is_https
SECURE_HSTS_SECONDS = 31_536_000 if DULY_SERVICE.is_https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What may come at all, the web server says; what is read of it, each endpoint.
DATA_UPLOAD_MAX_MEMORY_SIZE = DULY_SERVICE.max_body_bytes

STATIC_URL = "/static/"
# Straight from the packages: there is no folder to collect them in.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGGING: dict[str, Any] = core.LOGGING | {
    # Refusals are answers, clients that come and go are no faults, and a queue is to be used.
    "loggers": {name: {"level": "ERROR"} for name in ("django.request", "waitress")}
    | {"waitress.queue": {"level": "ERROR"}},
}
