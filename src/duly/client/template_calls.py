"""What is asked about event templates and calendars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from duly.client.calls import (
    Call,
    Listing,
    given,
    in_a_page,
    matching,
    new_key,
    nothing,
    one_of,
    page_of,
    path,
    with_etag,
)
from duly.client.new_event import Entity, OnConflict, entity_of
from duly.client.results import CalendarLink, Scheduled, Template
from duly.client.transport import Answer

TEMPLATES, CALENDARS = "/api/templates", "/api/calendars"


class TemplateOptions(TypedDict, total=False):
    """The fields of a template that may be left out."""

    timezone: str | None
    entity_type: str | None
    payload: Any
    description: str | None
    user_timezone: str | None
    resource_timezone: str | None
    policies: Mapping[str, Any] | None
    service: str | None


class TemplateUse(TypedDict, total=False):
    """What one event of a template is about."""

    time: datetime | None
    key: str | None
    entity: Entity | None
    payload: Any
    timezone: str | None
    user_timezone: str | None
    resource_timezone: str | None
    policies: Mapping[str, Any] | None
    on_conflict: OnConflict | None
    service: str | None


def templates(*, service: str | None = None, limit: int | None = None) -> Listing[Template]:
    """Give templates by name. service: whose, for those who see others'."""
    query = given(service_id=service, limit=in_a_page(limit))
    return Listing(Call(method="GET", path=TEMPLATES, query=query, read=page_of(Template)), limit)


def template(name: str, *, service: str | None = None) -> Call[Template]:
    """Give a template, with its `etag`. Raises NotFound."""
    return Call(
        method="GET", path=_on(name), query=given(service_id=service), read=with_etag(Template)
    )


def create_template(
    name: str,
    type: str,  # noqa: A002 - as the service calls it
    schedule: Mapping[str, Any],
    **options: Unpack[TemplateOptions],
) -> Call[Template]:
    """Store a template, after the service has tried it.

    schedule: JSON, in which "$time" stands for the time that is given on each use, such as
        {"before": {"days": 1, "at": "09:00"}}.
    options: as in `NewEvent`; what is given on use goes before it.

    Where the answer is lost it is not tried again. Raises Refused, and Conflict where the name
    is taken.
    """
    return Call(
        method="POST",
        path=TEMPLATES,
        query=given(service_id=options.get("service")),
        body={"name": name, **_content(type, schedule, options)},
        read=with_etag(Template),
        # The second time the name is taken, by itself.
        is_repeatable=False,
    )


def replace_template(
    name: str,
    type: str,  # noqa: A002 - as the service calls it
    schedule: Mapping[str, Any],
    *,
    if_match: str | None = None,
    **options: Unpack[TemplateOptions],
) -> Call[Template]:
    """Let a template say something else; its events stay as they are.

    if_match: its `etag` as it was read; it must not have changed since. Else as
    `create_template`. Raises NotFound, Refused, Changed.
    """
    return Call(
        method="PUT",
        path=_on(name),
        query=given(service_id=options.get("service")),
        body=_content(type, schedule, options),
        headers=matching(if_match),
        read=with_etag(Template),
    )


def delete_template(
    name: str, *, service: str | None = None, if_match: str | None = None
) -> Call[None]:
    """Delete a template; its events stay as they are. Raises NotFound, Changed.

    Where the answer is lost it is not tried again.
    """
    return Call(
        method="DELETE",
        path=_on(name),
        query=given(service_id=service),
        headers=matching(if_match),
        read=nothing,
        is_repeatable=False,
    )


def schedule_template(name: str, **use: Unpack[TemplateUse]) -> Call[Scheduled]:
    """Schedule one event from a template; what is given here goes before what it says.

    time: what "$time" stands for: aware, or civil in the execution timezone.
    key, entity, payload, policies, on_conflict: as in `NewEvent`; a payload that is an object
        is merged into the template's.

    Raises NotFound, Refused, Conflict.
    """
    kind, id_ = entity_of(use.get("entity"))
    time, key = use.get("time"), use.get("key")
    body = given(
        time=None if time is None else time.isoformat(),
        id=new_key() if key is None else key,
        entity_type=kind,
        entity_id=id_,
        payload=use.get("payload"),
        timezone_context=_context(use) or None,
        on_conflict=use.get("on_conflict"),
    )
    return Call(
        method="POST",
        path=_on(name, "schedule"),
        query=given(service_id=use.get("service")),
        body=body | dict(use.get("policies") or {}),
        read=one_of(Scheduled),
    )


def calendar_link(
    entity: Entity, *, expires_in_days: int | None = None, service: str | None = None
) -> Call[CalendarLink]:
    """Make a link to what comes up for an entity, for programs that show calendars.

    entity: (type, id), or an id alone. expires_in_days: 1 to 3,660; None: 365. Whoever has the
    link sees the calendar, until it expires or is revoked.
    """
    kind, id_ = entity_of(entity)
    body = given(
        entity_type=kind, entity_id=id_, service_id=service, expires_in_days=expires_in_days
    )
    return Call(method="POST", path=CALENDARS, body=body, read=one_of(CalendarLink))


def revoke_calendar_links(
    entity: Entity | None = None, *, service: str | None = None
) -> Call[None]:
    """Let the links to an entity's calendar hold no more; without one, all of the service."""
    kind, id_ = entity_of(entity)
    body = given(entity_type=kind, entity_id=id_, service_id=service)
    return Call(method="POST", path=f"{CALENDARS}/revoke", body=body, read=nothing)


def calendar(link: CalendarLink | str) -> Call[str]:
    """Give the calendar that a link leads to, as iCalendar. Raises NotFound.

    It is asked of this client's service, whatever host the link names. Raises ValueError for
    what is no such link.
    """
    url = link.url if isinstance(link, CalendarLink) else link
    _, found, token = urlsplit(url).path.rpartition(f"{CALENDARS}/")
    if not found or not token.endswith(".ics"):
        raise ValueError(f"no link to a calendar: {url!r:.60}; `calendar_link` gives one")
    return Call(
        method="GET",
        path=f"{CALENDARS}/{token}",
        headers={"Accept": "text/calendar"},
        read=_text,
    )


def _on(name: str, *more: str) -> str:
    return "/".join([TEMPLATES, path(name), *more])


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


def _content(
    type: str,  # noqa: A002
    schedule: Mapping[str, Any],
    options: TemplateOptions,
) -> dict[str, Any]:
    body = given(
        type=type,
        schedule=dict(schedule),
        description=options.get("description"),
        payload=options.get("payload"),
        entity_type=options.get("entity_type"),
        timezone_context=_context(options) or None,
    )
    return body | dict(options.get("policies") or {})


def _context(options: TemplateOptions | TemplateUse) -> dict[str, str]:
    return given(
        execution_timezone=options.get("timezone"),
        user_timezone=options.get("user_timezone"),
        resource_timezone=options.get("resource_timezone"),
    )
