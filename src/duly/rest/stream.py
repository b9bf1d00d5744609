"""What fires, as it fires: server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router
from pydantic import Field

from duly import registry
from duly.conf import config
from duly.policy.scopes import Scope
from duly.rest.auth import identified
from duly.rest.events import Text, service_seen
from duly.rest.guard import needs
from duly.rest.problems import invalid, reading
from duly.rest.stream_reader import LONGEST_SECONDS, AsyncReader, Terms
from duly.rest.streams import Limits, streams
from duly.store.tail import FIRING, Firing, Wanted

router = Router(tags=["stream"])

CONTENT_TYPE = "text/event-stream"
_HEADERS = {
    "Cache-Control": "no-store",
    # nginx would hold it back until its buffer is full.
    "X-Accel-Buffering": "no",
}
Seconds = Annotated[int, Field(ge=1, le=LONGEST_SECONDS)]
_DESCRIBED: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Last-Event-ID",
            "required": False,
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
            "description": "The id of the last event that was received: goes on after it.",
        }
    ],
    "responses": {
        200: {
            "description": "Events as they happen; `data` is JSON, `id` the place to resume after.",
            "content": {CONTENT_TYPE: {"schema": {"type": "string"}}},
        }
    },
}


@router.get("stream", summary="What fires, as it fires", openapi_extra=_DESCRIBED)
@needs(Scope.READ)
def stream(  # noqa: PLR0913 - each narrows the choice
    request: HttpRequest,
    type: Text | None = None,  # noqa: A002 - its name in the contract
    entity_type: Text | None = None,
    entity_id: Text | None = None,
    service_id: Text | None = None,
    fact: Query[tuple[Firing, ...]] = (),
    max_seconds: Seconds = LONGEST_SECONDS,
) -> StreamingHttpResponse:
    """Give each fact about a firing as it happens, as server-sent events (text/event-stream).

    Each may come more than once and none is missed: `data.id` tells them apart. A comment comes
    at least every 15 seconds. The stream ends after `max_seconds`; come back with the header
    Last-Event-ID, as EventSource does by itself. Only so many may be open at once, and so many
    of one key or token: 429.
    """
    caller = identified(request)
    with reading({"type": type}):
        event_type = registry.normalise_type(type) if type else ""
    wanted = Wanted(
        service=service_seen(caller, service_id),
        event_type=event_type,
        entity_type=entity_type or "",
        entity_id=entity_id or "",
        facts=frozenset(fact or FIRING),
    )
    terms = Terms(wanted, _resume(request.headers.get("Last-Event-ID")), max_seconds)
    settings = config()
    limits = Limits(settings.streams, settings.streams_per_caller)
    reader = streams.open(settings.database, terms, caller.actor, limits)
    # Said by waitress, if its channel_request_lookahead is not 0: a stream whose client went away
    # makes room at once, and not when the next comment cannot be written.
    reader.is_gone = request.META.get("waitress.client_disconnected", reader.is_gone)
    text = AsyncReader(reader) if isinstance(request, ASGIRequest) else reader
    return StreamingHttpResponse(text, content_type=CONTENT_TYPE, headers=_HEADERS)


def _resume(given: str | None) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise invalid("Last-Event-ID", given, "must be the id of an event of this stream")
    return int(given)
