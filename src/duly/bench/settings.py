"""Django settings of the bench's own processes: its database, the user's DULY, its handlers."""

from __future__ import annotations

from duly.bench.plan import Plan

_plan = Plan.read()

DATABASES = {"default": _plan.database}
DULY = _plan.duly
INSTALLED_APPS = ["duly", "duly.bench"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
# The rescue after the kill is planned, and reported; whatever else is warned of is shown.
LOGGING_CONFIG = None
