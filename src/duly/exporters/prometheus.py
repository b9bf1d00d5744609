"""What a project needs for Prometheus: `view` for its URLs, `serve` for a process without a web.

Importing this begins to count in this process; a URLconf that names `view` does.
"""

from __future__ import annotations

import hmac

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from duly.exporters.metrics import serve, shared

__all__ = ["serve", "view"]

shared()


@require_safe
def view(request: HttpRequest, token: str = "") -> HttpResponse:
    """Answer a scrape.

    token: the bearer token that is asked for; empty: none is. It is given in the URLconf, as
        `path("metrics/", prometheus.view, {"token": "..."})`.
    """
    given = request.headers.get("Authorization", "")
    if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    body, content_type = shared().expose(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type, headers={"Cache-Control": "no-store"})
