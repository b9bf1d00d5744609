"""Every call is told to the ledger, and every answer says what is left of the quotas."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from duly.access.calls import UNKNOWN, call_log
from duly.conf import config
from duly.rest.auth import caller_of, remaining_of

Run = Callable[..., Any]
_FAULTS = 500
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def recorded(run: Run) -> Run:
    """Wrap the view of an address, or an operation: `api.add_decorator(recorded, mode="view")`.

    It sees what was refused as well: without valid credentials, the actor is "unknown".
    """
    if iscoroutinefunction(run):

        @wraps(run)
        async def run_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = await run(request, *args, **kwargs)
            except BaseException:
                _record(request, 500)
                raise
            return _told(request, answer)

        return run_async

    @wraps(run)
    def run_sync(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = run(request, *args, **kwargs)
        except BaseException:
            _record(request, 500)
            raise
        return _told(request, answer)

    return run_sync


def _told(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    for name, value in remaining_of(request).headers().items():
        # A refusal has said it already, of the quota that is used up.
        answer.headers.setdefault(name, value)
    _record(request, answer.status_code)
    if answer.status_code < _FAULTS:
        # Django would log a line for each refusal: a thousand a second, of who guesses keys.
        answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def record_astray(request: HttpRequest, status: int, route: str | None = None) -> None:
    """Count a call that no operation answers, and nobody was asked who makes it.

    route: None takes the one that was found.
    """
    # Who calls may write any word there.
    method = request.method if request.method in _METHODS else "?"
    known = request.resolver_match.route if request.resolver_match else ""
    name = f"{method} /{known if route is None else route}"
    call_log.add(config().database, UNKNOWN, name, status)


def _record(request: HttpRequest, status: int) -> None:
    caller = caller_of(request)
    actor = caller.actor if caller else UNKNOWN
    call_log.add(config().database, actor, operation_of(request), status)


def operation_of(request: HttpRequest) -> str:
    """Name what is called: the method and the route, without the ids that it was called with."""
    match = request.resolver_match
    return f"{request.method} /{match.route if match else ''}"
