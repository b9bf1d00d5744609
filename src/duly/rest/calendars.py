"""Calendar feeds of what comes up for an entity, by links that are signed."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import clock, scheduling
from duly.access.caller import Caller
from duly.conf import config
from duly.policy.scopes import Scope
from duly.rest import shown
from duly.rest.auth import identified
from duly.rest.events import service_seen
from duly.rest.guard import needs
from duly.rest.icalendar_text import Entry, calendar
from duly.rest.new_events import DEFAULT_ENTITY_TYPE
from duly.rest.problems import Problem, invalid, not_found
from duly.rest.schemas.calendars import CalendarLink, NewCalendarLink, RevokedLinks
from duly.scheduling import Upcoming
from duly.store import feeds
from duly.store.feeds import Feed
from duly.store.lookup import Wanted, Window

router = Router(tags=["calendars"])

SALT = "duly.rest.calendars"
AHEAD = timedelta(days=366)
MOST_ENTRIES = 500
REFRESH = timedelta(minutes=15)
LONGEST_TOKEN = 2000
CONTENT_TYPE = "text/calendar; charset=utf-8"

_DESCRIBED: dict[str, Any] = {
    "responses": {
        200: {
            "description": "The calendar (RFC 5545).",
            "content": {"text/calendar": {"schema": {"type": "string"}}},
        },
        304: {"description": "It is still what its ETag was of."},
    }
}


@router.post("calendars", response={201: CalendarLink}, summary="Make a link to a calendar")
@needs(Scope.READ)
def create_link(request: HttpRequest, new: NewCalendarLink) -> HttpResponse:
    """Give a link to what comes up for an entity, for programs that show calendars.

    The link is signed and needs no key: whoever has it sees when which types of events of this
    entity come up, and nothing else; until it expires or is revoked.
    """
    caller = identified(request)
    feed = Feed(
        _service(caller, new.service_id), new.entity_type or DEFAULT_ENTITY_TYPE, new.entity_id
    )
    using = config().database
    expires_at = clock.now(using) + timedelta(days=new.expires_in_days)
    held = feeds.generations(using, feed)
    token = signing.dumps([*feed, int(expires_at.timestamp()), *held], salt=SALT)
    url = request.build_absolute_uri(f"{request.path.rstrip('/')}/{token}.ics")
    at = datetime.fromtimestamp(int(expires_at.timestamp()), UTC)
    return shown.answer({"url": url, "expires_at": at.isoformat()}, status=201)


@router.post("calendars/revoke", response={204: None}, summary="Revoke links to calendars")
@needs(Scope.SCHEDULE)
def revoke_links(request: HttpRequest, which: RevokedLinks) -> HttpResponse:
    """Let the links to one entity's calendar hold no more, or all links of the service."""
    caller = identified(request)
    service = _service(caller, which.service_id)
    feed = Feed(service, "", "")
    if which.entity_id is not None:
        feed = Feed(service, which.entity_type or DEFAULT_ENTITY_TYPE, which.entity_id)
    elif which.entity_type is not None:
        raise invalid("entity_id", None, "must be given where entity_type is")
    using = config().database
    feeds.revoke(using, feed, clock.now(using))
    return HttpResponse(status=204)


@router.get(
    "calendars/{token}.ics",
    auth=None,
    summary="A calendar",
    openapi_extra=_DESCRIBED,
)
def calendar_feed(request: HttpRequest, token: str) -> HttpResponse:
    """Give what comes up for the entity of a link within a year, the next 500 firings at most."""
    using = config().database
    now = clock.now(using)
    feed = _read(token, using, now)
    wanted = Wanted(service=feed.service, entity_type=feed.entity_type, entity_id=feed.entity_id)
    window = Window(start=now, end=now + AHEAD, limit=MOST_ENTRIES)
    found = scheduling.upcoming_of(wanted, window)
    name = f"{feed.entity_type} {feed.entity_id}"
    body = calendar(name, map(_entry, found), REFRESH).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"private, max-age={int(REFRESH.total_seconds())}",
        "Content-Disposition": 'inline; filename="calendar.ics"',
        # Where the link is the key, it must not be told to the next page.
        "Referrer-Policy": "no-referrer",
    }
    if _is_known(request.headers.get("If-None-Match", ""), etag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type=CONTENT_TYPE, headers=headers)


def _read(token: str, using: str, now: datetime) -> Feed:
    """Read a link. Raises Problem, which is the same whatever is wrong with it."""
    try:
        if len(token) > LONGEST_TOKEN:
            raise _unknown()
        service, kind, id_, expires, *held = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise _unknown() from None
    feed = Feed(service, kind, id_)
    if now.timestamp() >= expires or tuple(held) != feeds.generations(using, feed):
        raise _unknown()
    return feed


def _unknown() -> Problem:
    return not_found("no calendar has this link, or not any more; ask for another")


def _service(caller: Caller, asked: str | None) -> str:
    return service_seen(caller, asked or caller.service) or caller.service


def _entry(one: Upcoming) -> Entry:
    event, due = one.event, one.due
    words = re.sub(r"[_.:-]+", " ", event.event_type).strip()
    described = (
        f"{due.wall_time:%Y-%m-%d %H:%M} in {due.zone}\n"
        f"{event.event_type} for {event.entity_type} {event.entity_id}"
    )
    return Entry(
        uid=f"{event.id}-{due.at:%Y%m%dT%H%M%S%f}Z@duly",
        starts_at=due.at,
        changed_at=event.updated_at,
        summary=words[:1].upper() + words[1:],
        description=described,
        category=event.event_type,
    )


def _is_known(given: str, etag: str) -> bool:
    # A cache may have made it weak (RFC 9110 13.1.2).
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return "*" in tags or etag in tags
