"""What Celery's `autodiscover_tasks` looks for in every installed app."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

# Others look for modules of this name as well, where there is no Celery.
if find_spec("celery") is not None:
    import_module("duly.celery.tasks")
