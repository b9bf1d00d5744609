"""What the standalone project adds to duly: the handlers that the environment names."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from duly.errors import ConfigurationError
from duly.service import broker


class ServiceConfig(AppConfig):
    """Imports the modules of DULY_HANDLERS.

    Makes the Celery app where DULY_CELERY_BROKER_URL names a broker. Raises ConfigurationError
    for what cannot be imported.
    """

    name = "duly.service"
    label = "duly_service"
    verbose_name = "duly service"

    def ready(self) -> None:
        broker.prepare()
        for module in getattr(settings, "DULY_HANDLERS", ()):
            try:
                import_module(module)
            except (ImportError, ValueError, TypeError) as error:
                raise ConfigurationError(
                    f"DULY_HANDLERS: cannot import {module!r}: {error}"
                ) from error
