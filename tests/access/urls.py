"""A REST interface of two operations, with the ways in that the real one has."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import NinjaAPI

from duly.access.refusals import Forbidden, TooManyRequests, Unauthorized
from duly.policy.scopes import Scope
from duly.rest import auth
from duly.rest.calls import recorded

api = NinjaAPI(auth=auth.authenticators, urls_namespace="tests_access", docs_url=None)
api.add_decorator(recorded, mode="view")


@api.get("/who")
def who(request: HttpRequest) -> dict[str, Any]:
    caller = request.auth  # type: ignore[attr-defined]
    return {"actor": caller.actor, "service": caller.service, "scopes": sorted(caller.scopes)}


@api.post("/change")
def change(request: HttpRequest) -> dict[str, Any]:
    return {"actor": auth.require(request, Scope.SCHEDULE).actor}


@api.post("/events")
def events(request: HttpRequest, count: int = 1) -> dict[str, Any]:
    caller = auth.require(request, Scope.SCHEDULE)
    auth.admit_events(request, caller.service, count)
    return {}


@api.get("/breaks")
def breaks(request: HttpRequest) -> None:
    raise RuntimeError("broken")


@api.get("/later")
async def later(request: HttpRequest) -> dict[str, Any]:
    return {"actor": request.auth.actor}  # type: ignore[attr-defined]


@api.exception_handler(Unauthorized)
def unauthorized(request: HttpRequest, error: Unauthorized) -> HttpResponse:
    return HttpResponse(str(error), status=401, headers={"WWW-Authenticate": error.challenge})


@api.exception_handler(Forbidden)
def forbidden(request: HttpRequest, error: Forbidden) -> HttpResponse:
    return HttpResponse(str(error), status=403)


@api.exception_handler(TooManyRequests)
def too_many(request: HttpRequest, error: TooManyRequests) -> HttpResponse:
    return HttpResponse(str(error), status=429, headers=error.headers)


urlpatterns = [path("api/", api.urls)]
