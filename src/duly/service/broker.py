"""Whether the standalone project publishes to Celery."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec

from duly.errors import ConfigurationError

VARIABLE = "DULY_CELERY_BROKER_URL"


def prepare() -> None:
    """Make the Celery app where a broker is named. Raises ConfigurationError without Celery."""
    if not os.environ.get(VARIABLE):
        return
    if find_spec("celery") is None:
        raise ConfigurationError(f"{VARIABLE} needs Celery: pip install 'duly[celery]'")
    import_module("duly.service.celery")
