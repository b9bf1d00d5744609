"""ETags: which state of an event an answer showed, and a change is meant for."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest

from duly.models import ScheduledEvent
from duly.rest.problems import Problem
from duly.store.stored import Outline

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def etag_of(event: ScheduledEvent | Outline) -> str:
    """Give the tag of an event's present state."""
    next_at = _ticks(event.next_at) if event.next_at else "0"
    return f'"{_ticks(event.updated_at)}-{event.status}-{next_at}"'


def check_if_match(request: HttpRequest, event: ScheduledEvent) -> None:
    """Refuse a change that was meant for another state; the caller has locked the event.

    Raises Problem.
    """
    check_match(request, etag_of(event), "the event")


def check_match(request: HttpRequest, present: str, what: str) -> None:
    """Refuse a change that was meant for a state with another tag.

    what: as a sentence begins with it. Raises Problem. Source: RFC 9110 13.1.1.
    """
    given = request.headers.get("If-Match")
    if given is None:
        return
    if given.strip() == "*" or present in (tag.strip() for tag in given.split(",")):
        return
    raise Problem(
        412,
        "Precondition failed",
        f"{what} has changed: its ETag is {present} now; read it again",
        field="If-Match",
        value=given,
        rule="If-Match must hold the present ETag",
        headers={"ETag": present},
    )


def _ticks(moment: datetime) -> str:
    return f"{(moment - _EPOCH) // datetime.resolution:x}"
