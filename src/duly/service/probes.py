"""`/health`, `/ready` and `/metrics`: for those who watch over processes.

They tell nothing of any tenant, and ask nobody who he is; but where DULY_METRICS_TOKEN is to be
given, metrics name event types and gates.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from prometheus_client import disable_created_metrics

from duly import __version__
from duly.conf import config
from duly.exporters.metrics import Metrics
from duly.service import process
from duly.service.options import ServiceOptions
from duly.service.readiness import Readiness


class ProbesMiddleware:
    """Answers them before anything else looks at the request; a project may have it as well."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        options: ServiceOptions = getattr(settings, "DULY_SERVICE", ServiceOptions())
        using, engine = config().database, process.engine()
        longest = timedelta(seconds=options.ready_lateness_seconds)
        self._readiness = Readiness(using, engine, longest)
        # When a counter began is one more series for each, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._token = options.metrics_token
        # Names are for who may see them.
        self._metrics = Metrics(using, engine, named=bool(self._token))
        self._probes = {"/health": _health, "/ready": self._ready, "/metrics": self._told}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        probe = self._probes.get(request.path_info)
        if probe is None:
            return self._get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        response = probe(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _ready(self, request: HttpRequest) -> HttpResponse:
        checks = self._readiness.look()
        is_ready = not any(check.problem for check in checks.values())
        data = {
            "status": "ready" if is_ready else "not ready",
            "checks": {name: check.to_json() for name, check in checks.items()},
        }
        return JsonResponse(data, status=200 if is_ready else 503)

    def _told(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("Authorization", "")
        if self._token and not hmac.compare_digest(
            given.encode(), f"Bearer {self._token}".encode()
        ):
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
        body, content_type = self._metrics.expose(request.headers.get("Accept", ""))
        return HttpResponse(body, content_type=content_type)


def _health(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; the database is not asked."""
    return JsonResponse({"status": "ok", "version": __version__})
