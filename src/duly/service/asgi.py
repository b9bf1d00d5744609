"""The standalone service for any ASGI server; engines then run apart, as `duly run`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duly.service.web_settings")
application = get_asgi_application()
