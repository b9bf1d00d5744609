"""The short way to the API, past the middleware that pages need.

Its callers have no session, no cookies and no language, and show a key or a token with each
call; of what a call costs the service, that middleware was a sixth. In a project it stands in
MIDDLEWARE where the first of these would, after what is meant for every answer:
`"duly.rest.direct.DirectMiddleware"`.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_resolver

from duly.rest.outermost import answers_calls


class DirectMiddleware:
    """Answers what is addressed to the API, wherever it is mounted; the rest goes its way.

    Not used where a database has ATOMIC_REQUESTS, which Django itself sees to, further down.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if any(options["ATOMIC_REQUESTS"] for options in connections.settings.values()):
            raise MiddlewareNotUsed("a database has ATOMIC_REQUESTS")
        self._get_response = get_response
        # Only of addresses in which no name or id stands: there are as many as the API has.
        self._fixed: dict[str, ResolverMatch] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        match = self._fixed.get(request.path_info) or self._resolved(request.path_info)
        if match is None:
            return self._get_response(request)
        # As CommonMiddleware does: raises DisallowedHost.
        request.get_host()
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response

    def _resolved(self, path: str) -> ResolverMatch | None:
        try:
            match = get_resolver().resolve(path)
        except Resolver404:
            return None
        if not answers_calls(match.func):
            return None
        if not match.args and not match.kwargs:
            self._fixed[path] = match
        return match
