"""The standalone service for any WSGI server; engines then run apart, as `duly run`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duly.service.web_settings")
application = get_wsgi_application()
