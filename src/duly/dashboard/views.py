"""The page, the parts of it that are read again, and the rows behind each number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from duly import __version__, clock
from duly.conf import config
from duly.dashboard import rows
from duly.dashboard.calendar import calendar
from duly.dashboard.coming import coming
from duly.dashboard.history import LAST_DAY, LAST_HOUR, history
from duly.dashboard.kept import kept
from duly.dashboard.machinery import machinery
from duly.dashboard.numbers import numbers
from duly.errors import InvalidEvent

PERMISSION = "duly.view_scheduledevent"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page that is read again and again."""

    name: str
    label: str
    poll_seconds: int
    """Between two readings by one page; as long as what was found is kept for others."""
    find: Callable[[str, datetime], Any]

    def text(self) -> str:
        """Give the HTML of what is so, or was so a moment ago; empty: the database is silent."""
        using = config().database
        # A little less: who comes back on time is to see something new.
        seconds = self.poll_seconds - 0.5
        try:
            return kept.get(f"{using}:{self.name}", seconds, lambda: self._drawn(using))
        except (OperationalError, InterfaceError):
            return ""

    def _drawn(self, using: str) -> str:
        found = self.find(using, clock.now(using))
        return render_to_string(f"duly/dashboard/{self.name}.html", {"found": found})


PARTS = {
    one.name: one
    for one in (
        Part("numbers", "Now", 2, numbers),
        Part("machinery", "Engines, breakers and services", 5, machinery),
        Part("hour", "Last hour", 10, lambda using, now: history(using, now, LAST_HOUR)),
        Part("day", "Last day", 60, lambda using, now: history(using, now, LAST_DAY)),
        Part("coming", "Next 24 hours", 30, coming),
        Part("calendar", "Days to come", 60, calendar),
    )
}


def guarded(*, is_part: bool = False) -> Callable[[View[P]], View[P]]:
    """Let a view be seen by members of the staff who may view events.

    Others are led to log in; a part of a page answers 401 instead, for a script to understand.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guard(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            user = request.user
            if not user.is_authenticated:
                if is_part:
                    return _safe(HttpResponse("log in again", status=401))
                return redirect_to_login(request.get_full_path(), _login_url())
            if not (user.is_active and user.is_staff and user.has_perm(PERMISSION)):
                raise PermissionDenied(f"this needs the permission {PERMISSION}, and staff status")
            return _safe(view(request, *args, **kwargs))

        return require_safe(guard)

    return decorate


@guarded()
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the whole page."""
    context = {
        "parts": [{"part": one, "text": one.text()} for one in PARTS.values()],
        **_shared(),
    }
    return render(request, "duly/dashboard/page.html", context)


@guarded(is_part=True)
def part(request: HttpRequest, name: str) -> HttpResponse:
    """Give one part of the page. 503 where the database does not answer."""
    if name not in PARTS:
        raise Http404(f"the dashboard has no part {name!r:.40}")
    text = PARTS[name].text()
    return HttpResponse(text or "the database does not answer", status=200 if text else 503)


@guarded()
def rows_view(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the rows behind a number."""
    using = config().database
    try:
        found = rows.find(using, kind, rows.Given.read(request.GET), clock.now(using))
    except InvalidEvent as error:
        context = {"title": "No such rows", "error": str(error), **_shared()}
        return render(request, "duly/dashboard/rows.html", context, status=400)
    if found is None:
        raise Http404(f"there are no rows {kind!r:.40}")
    context = {"title": found.title, "found": found, "most": rows.MOST_SHOWN, **_shared()}
    return render(request, "duly/dashboard/rows.html", context)


def _shared() -> dict[str, Any]:
    return {"version": __version__, "admin_index": _admin("index"), "log_out": _admin("logout")}


def _login_url() -> str:
    return _admin("login") or resolve_url(settings.LOGIN_URL)


def _admin(name: str) -> str:
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return ""


def _safe(response: HttpResponse) -> HttpResponse:
    """Let nobody keep it, frame it, or run anything within it."""
    patch_cache_control(response, no_store=True, private=True)
    # Static files of another host are against it, and their project's own policy knows which.
    if settings.STATIC_URL and "//" not in settings.STATIC_URL:
        response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
