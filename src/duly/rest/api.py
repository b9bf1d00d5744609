"""The API: its routers, in one place, and what all of its answers have in common."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

import duly
from duly.rest import (
    breakers,
    bulk,
    calendars,
    changes,
    dead_letters,
    events,
    firings,
    occurrences,
    rules,
    sagas,
    stream,
    templates,
    time_zones,
)
from duly.rest.auth import add_security, authenticators
from duly.rest.calls import record_astray, recorded
from duly.rest.describe_errors import complete
from duly.rest.docs_page import DocsPage
from duly.rest.guard import guarded
from duly.rest.handlers import add_handlers
from duly.rest.json_body import StrictParser
from duly.rest.outermost import answering_calls, outermost
from duly.rest.problems import not_found

DESCRIPTION = """\
Schedule events in civil time, and let them fire exactly when their zone's clocks say so.

Every refusal is a problem body (RFC 9457, `application/problem+json`) that says what was wrong
and what to do, and names `field`, `value` and `rule` where one field is to blame. Events of
other services are not there for a caller.
"""
_PAGES = frozenset({"openapi-json", "openapi-view", "api-root"})


class DulyAPI(NinjaAPI):
    """Ninja's API, whose every answer and whose description is whole."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Give the description, with every problem that may be answered."""
        description = complete(super().get_openapi_schema(**options))
        add_security(description)
        return description

    def _get_urls(self) -> list[Any]:
        found = super()._get_urls()
        for pattern in found:
            assert pattern.callback is not None
            view = outermost(pattern.callback)
            pattern.callback = view if pattern.name in _PAGES else answering_calls(view)
        return found


api = DulyAPI(
    title="duly",
    version=duly.__version__,
    description=DESCRIPTION,
    urls_namespace="duly-api",
    auth=authenticators,
    docs=DocsPage(),
    parser=StrictParser(),
)
add_handlers(api)
api.add_decorator(guarded, mode="view")
api.add_decorator(recorded, mode="view")
# What has a name of its own stands before what takes any name in its place.
for router in (bulk.router, time_zones.router, rules.router, events.router):
    api.add_router("", router)
for router in (changes.router, firings.router):
    api.add_router("", router)
for router in (occurrences.router, dead_letters.router, sagas.router, breakers.router):
    api.add_router("", router)
for router in (templates.router, calendars.router, stream.router):
    api.add_router("", router)


@answering_calls
@outermost
def nothing_here(request: HttpRequest, **rest: str) -> HttpResponse:
    """Say that there is no such address, as everything here is said."""
    record_astray(request, 404, "api/… (no such address)")
    return not_found(f"{request.path!r:.200} is no address of this API; see its docs").response()
