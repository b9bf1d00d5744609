"""What every request has to pass before a view sees it, once its caller is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja.operation import Operation

from duly.policy.scopes import Scope
from duly.rest.auth import require
from duly.rest.json_body import read_for_ninja, take_body
from duly.rest.problems import Problem, not_found
from duly.rest.repeats import once

View = TypeVar("View", bound=Callable[..., Any])

STREAMED = "_duly_reads_its_body"
"""The mark of a view that reads its body itself, as it comes."""


NEEDS = "_duly_needs"
"""The scope that a view needs, as a mark."""


def needs(scope: Scope) -> Callable[[View], View]:
    """Say which scope a view needs: who lacks it learns nothing of what else is wrong."""

    def mark(view: View) -> View:
        setattr(view, NEEDS, scope)
        return view

    return mark


def streamed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a view that reads its body itself."""
    setattr(view, STREAMED, True)
    return view


def guarded(run: Callable[..., Any]) -> Callable[..., Any]:
    """Check each request of an operation: its scope, its size, its query, and its path.

    For `NinjaAPI.add_decorator(…, mode="view")`.
    """
    operation: Any = run.__self__  # type: ignore[attr-defined]
    known = _query_of(operation)
    has_body = _has_body(operation) and not hasattr(operation.view_func, STREAMED)
    is_ninjas = any(one.__ninja_param_source__ == "body" for one in operation.models)
    scope: Scope | None = getattr(operation.view_func, NEEDS, None)
    read = operation._get_values

    def values(request: HttpRequest, path: Any, response: HttpResponse) -> dict[str, Any]:
        if scope is not None:
            require(request, scope)
        _check_path(path)
        _check_query(request.GET.lists(), known)
        if has_body:
            take_body(request)
        if is_ninjas:
            read_for_ninja(request)
        found: dict[str, Any] = read(request, path, response)
        return found

    # Here the caller is known already, and nothing of the request has been read yet.
    operation._get_values = values
    operation.view_func = once(operation.view_func, has_body=has_body)
    return run


def _has_body(operation: Operation) -> bool:
    # What no view reads is left where it is, whatever its size.
    by_hand = "requestBody" in (operation.openapi_extra or {})
    return by_hand or any(one.__ninja_param_source__ == "body" for one in operation.models)


def _query_of(operation: Operation) -> Mapping[str, bool]:
    """Name the query parameters of an operation, and whether each may be given again."""
    found: dict[str, bool] = {}
    for model in operation.models:
        if model.__ninja_param_source__ == "query":
            several = getattr(model, "__ninja_collection_fields__", [])
            names = getattr(model, "__ninja_flatten_map__", model.model_fields)
            found |= {name: name in several for name in names}
    return found


def _check_path(path: Mapping[str, Any]) -> None:
    if any("\0" in str(value) for value in path.values()):
        raise not_found()


def _check_query(query: Any, known: Mapping[str, bool]) -> None:
    for name, values in query:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            names = ", ".join(known) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {names}"
            raise _refused(name, values[0], f"there is no query parameter {name!r:.60}; {hint}")
        if len(values) > 1 and not known[name]:
            raise _refused(name, values, f"{name} is given {len(values)} times; give it once")
        if any("\0" in value for value in values):
            raise _refused(name, values[0], f"{name} holds a NUL character")


def _refused(name: str, value: object, detail: str) -> Problem:
    return Problem(
        422,
        "Invalid value",
        detail,
        kind="invalid-parameter",
        field=name[:100],
        value=value,
        rule="every query parameter is one that the description names, and stands once",
    )
