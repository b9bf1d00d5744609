"""Around every view of the API, ninja's own as well: what got past its handlers is answered too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from duly.rest.calls import record_astray
from duly.rest.handlers import problem_of
from duly.rest.problems import Problem

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_MARK = "_duly_answers_calls"


def outermost(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let a view answer with a problem, whatever happens in it."""

    def answered(request: HttpRequest, *args: Any, **path: Any) -> HttpResponseBase:
        try:
            response: HttpResponseBase = view(request, *args, **path)
        except Exception as error:
            response = problem_of(error, request).response()
        if isinstance(response, HttpResponseNotAllowed):
            response = _not_allowed(request, response["Allow"])
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    # There are no cookies to be forged with: every caller shows a key or a token.
    answered.csrf_exempt = True  # type: ignore[attr-defined]
    return answered


def answering_calls(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view as one of the API's, and no page."""
    setattr(view, _MARK, True)
    return view


def answers_calls(view: Callable[..., Any]) -> bool:
    """Say whether a view is one of the API's, and no page."""
    return hasattr(view, _MARK)


def _not_allowed(request: HttpRequest, allowed: str) -> HttpResponseBase:
    record_astray(request, 405)
    methods = ", ".join(sorted(allowed.split(", ")))
    return Problem(
        405,
        "Method not allowed",
        f"{request.method} does not go with {request.path!r:.200}; it takes {methods}",
        field="method",
        value=request.method,
        rule=f"the method is one of {methods}",
        headers={"Allow": methods},
    ).response()
