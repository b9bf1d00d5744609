"""What becomes of every exception of a request: a problem, whatever was raised."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from duly import errors
from duly.access.refusals import (
    Forbidden,
    QuotaExceeded,
    TokenKeysUnavailable,
    TooManyRequests,
    Unauthorized,
)
from duly.rest.json_body import read_of
from duly.rest.problems import Problem, malformed, not_found, of_error, shown, unavailable

_logger = logging.getLogger("duly")


def add_handlers(api: NinjaAPI) -> None:
    """Let an API answer with problems, whatever is raised."""
    for raised, handler in _HANDLERS.items():
        api.add_exception_handler(raised, handler)


def problem_of(error: Exception, request: HttpRequest | None = None) -> Problem:
    """Give the problem that any exception of a request is; what nobody meant is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationError):
        return _of_validation(error, request)
    for kinds, make in _MAKERS:
        if isinstance(error, kinds):
            return make(error)
    _logger.error("a request failed", exc_info=error)
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Internal server error",
        "something went wrong that should not have; it has been logged",
    )


def _of_unauthorized(error: Unauthorized) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "Unauthorized",
        str(error),
        headers={"WWW-Authenticate": error.challenge},
    )


def _of_forbidden(error: Forbidden) -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "Forbidden",
        str(error),
        kind="missing-scope",
        field="scope",
        value=error.scope.value,
        rule=f"the key or token has the scope {error.scope.value!r}",
    )


def _of_database(error: Exception) -> Problem:
    _logger.warning("a request failed on the database: %s", error)
    return unavailable()


def _of_http(error: HttpError) -> Problem:
    return Problem(error.status_code, HTTPStatus(error.status_code).phrase, error.message)


def _too_large_for_django(error: RequestDataTooBig) -> Problem:
    detail = "the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Content too large", detail)


def _of_too_many(error: TooManyRequests) -> Problem:
    status, title, detail = HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", str(error)
    if not isinstance(error, QuotaExceeded):
        return Problem(status, title, detail, kind="throttled", headers=error.headers)
    return Problem(
        status,
        title,
        detail,
        kind="quota-exceeded",
        field=error.quota,
        value=error.value,
        rule=error.rule,
        headers=error.headers,
    )


def _of_validation(error: ValidationError, request: HttpRequest | None) -> Problem:
    found = []
    for one in error.errors:
        source, *path = one["loc"]
        # The name of a view's parameter is no part of what was sent.
        if source == "body" and path:
            path = path[1:]
        field, rule = ".".join(map(str, path)) or str(source), str(one["msg"])
        value = shown(_given(request, source, path))
        found.append({"field": field, "value": value, "rule": f"{field}: {rule}"})
    first = found[0]
    is_query = error.errors[0]["loc"][0] in ("query", "header", "cookie")
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Invalid value",
        "; ".join(f"{one['rule']}; got {json.dumps(one['value'])}" for one in found[:10]),
        kind="invalid-parameter" if is_query else "invalid-value",
        field=first["field"],
        value=first["value"],
        rule=first["rule"],
        errors=found if len(found) > 1 else (),
    )


def _given(request: HttpRequest | None, source: object, path: Sequence[object]) -> Any:
    """Give what was sent at a place; None where nothing was."""
    if request is None:
        return None
    match source:
        case "body":
            found: Any = read_of(request)
        case "query":
            found = request.GET
        case "path":
            found = request.resolver_match.kwargs if request.resolver_match else None
        case _:
            return None
    for step in path:
        try:
            found = found[step]
        # A step may also be a kind that was tried, of several.
        except (LookupError, TypeError):
            return None
    return found


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    return problem_of(error, request).response()


_HANDLERS: dict[type[Exception], Any] = dict.fromkeys(
    (Problem, ValidationError, HttpError, Http404, Exception), _answer
)
# The first that fits; a subclass stands before what it is one of.
_MAKERS: tuple[tuple[Any, Callable[[Any], Problem]], ...] = (
    (Unauthorized, _of_unauthorized),
    (Forbidden, _of_forbidden),
    (TooManyRequests, _of_too_many),
    (TokenKeysUnavailable, lambda error: unavailable(str(error))),
    (errors.DulyError, of_error),
    ((OperationalError, InterfaceError), _of_database),
    (HttpError, _of_http),
    (Http404, lambda error: not_found()),
    (RequestDataTooBig, _too_large_for_django),
    (
        (UnreadablePostError, SuspiciousOperation),
        lambda error: malformed(
            "the request could not be read to its end", rule="the request comes whole"
        ),
    ),
)
