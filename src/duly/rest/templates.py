"""Event templates: what many events have in common, stored once and scheduled from."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import clock, registry, scheduling
from duly.access.caller import Caller
from duly.conf import config
from duly.models import EventTemplate
from duly.policy.scopes import Scope
from duly.rest import pages, shown
from duly.rest.admission import admit
from duly.rest.auth import identified
from duly.rest.described import IDEMPOTENCY_KEY, IF_MATCH
from duly.rest.etags import check_match
from duly.rest.events import Limit, Text, service_seen
from duly.rest.guard import needs
from duly.rest.problems import Problem, not_found, reading
from duly.rest.schemas.events import Policies, Scheduled
from duly.rest.schemas.templates import (
    NewTemplate,
    Template,
    TemplateContent,
    TemplatePage,
    TemplateUse,
)
from duly.rest.template_use import check, new_event
from duly.store import templates

router = Router(tags=["templates"])


@router.get("templates", response=TemplatePage, summary="List templates")
@needs(Scope.READ)
def list_templates(
    request: HttpRequest,
    service_id: Text | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor | None = None,
) -> HttpResponse:
    """List templates by name."""
    caller = identified(request)
    place = pages.read_cursor(cursor, str, str)
    past = (place[0], place[1]) if place else ("", "")
    service = service_seen(caller, service_id)
    found = templates.page(config().database, service, past, limit + 1)
    page = pages.page_of(found, limit, lambda one: (one.service, one.name))
    listed = {"items": [_shown(one) for one in page.rows], "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.post("templates", response={201: Template}, summary="Store a template")
@needs(Scope.SCHEDULE)
def create_template(
    request: HttpRequest, new: NewTemplate, service_id: Text | None = None
) -> HttpResponse:
    """Store a template, after trying whether it could make an event; 409 where the name is taken.

    In its `schedule`, `"$time"` stands for the time that is given on each use; `before` and
    `after` are so long before or after it.
    """
    caller = identified(request)
    service = _service(caller, service_id)
    content = _checked(service, new)
    using = config().database
    template = templates.create(using, service, new.name, content, clock.now(using))
    if template is None:
        raise Problem(
            409,
            "Conflict",
            f"service {service!r} has a template {new.name!r} already; change that one with PUT",
            field="name",
            value=new.name,
            rule="a template's name is unique within its service",
        )
    return _answer(template, 201)


@router.get("templates/{name}", response=Template, summary="Look at a template")
@needs(Scope.READ)
def get_template(request: HttpRequest, name: str, service_id: Text | None = None) -> HttpResponse:
    """Give a template; its ETag is for If-Match."""
    caller = identified(request)
    return _answer(_found(_service(caller, service_id), name))


@router.put(
    "templates/{name}", response=Template, summary="Change a template", openapi_extra=IF_MATCH
)
@needs(Scope.SCHEDULE)
def replace_template(
    request: HttpRequest, name: str, content: TemplateContent, service_id: Text | None = None
) -> HttpResponse:
    """Let a template say something else; events that were scheduled from it stay as they are."""
    caller = identified(request)
    service = _service(caller, service_id)
    using = config().database
    with transaction.atomic(using):
        template = _locked(request, service, name)
        templates.replace(using, template, _checked(service, content), clock.now(using))
    return _answer(template)


@router.delete(
    "templates/{name}",
    response={204: None},
    summary="Delete a template",
    openapi_extra=IF_MATCH,
)
@needs(Scope.SCHEDULE)
def delete_template(
    request: HttpRequest, name: str, service_id: Text | None = None
) -> HttpResponse:
    """Delete a template; events that were scheduled from it stay as they are."""
    caller = identified(request)
    service = _service(caller, service_id)
    using = config().database
    with transaction.atomic(using):
        _locked(request, service, name).delete(using=using)
    return HttpResponse(status=204)


@router.post(
    "templates/{name}/schedule",
    response={200: Scheduled, 201: Scheduled},
    summary="Schedule an event from a template",
    openapi_extra=IDEMPOTENCY_KEY,
)
@needs(Scope.SCHEDULE)
def schedule_from(
    request: HttpRequest, name: str, use: TemplateUse, service_id: Text | None = None
) -> HttpResponse:
    """Schedule one event from a template: 201 when it was created, 200 when it was there.

    `time` is what `"$time"` stands for. What else is given goes before what the template says;
    a payload that is an object is merged into the template's.
    """
    caller = identified(request)
    template = _found(_service(caller, service_id), name)
    given = use.dict(exclude_unset=True)
    key = request.headers.get("Idempotency-Key")
    new, on_conflict = new_event(template, caller, given, key)
    admit(request, new)
    with reading(given):
        stored = scheduling.schedule_events([new], on_conflict=on_conflict, actor=caller.actor)
    event = stored.outline_of(0)
    status = 201 if stored.is_new(0) else 200
    return shown.answer(shown.scheduled(event), status=status, headers=shown.with_etag(event))


def _service(caller: Caller, asked: str | None) -> str:
    return service_seen(caller, asked or caller.service) or caller.service


def _found(service: str, name: str) -> EventTemplate:
    found = templates.find(config().database, service, name)
    if found is None:
        raise _missing(service, name)
    return found


def _locked(request: HttpRequest, service: str, name: str) -> EventTemplate:
    found = templates.lock(config().database, service, name)
    if found is None:
        raise _missing(service, name)
    check_match(request, _etag(found), "the template")
    return found


def _missing(service: str, name: str) -> Problem:
    return not_found(f"service {service!r} has no template {name!r:.120}")


def _checked(service: str, given: TemplateContent) -> dict[str, Any]:
    """Give the columns of what is to be stored, after trying it. Raises Problem."""
    data = given.dict(exclude_unset=True)
    context = data.get("timezone_context") or {}
    with reading(data):
        event_type = registry.normalise_type(given.type)
    content = {
        "description": given.description,
        "event_type": event_type,
        "schedule": data["schedule"],
        "payload": data.get("payload"),
        "handling": {
            name: data[name] for name in Policies.model_fields if data.get(name) is not None
        },
        "entity_type": given.entity_type or "",
        "execution_timezone": context.get("execution_timezone") or "",
        "user_timezone": context.get("user_timezone") or "",
        "resource_timezone": context.get("resource_timezone") or "",
        "on_tzdata_change": given.on_tzdata_change or "keep_wall",
    }
    check(EventTemplate(service=service, name="", **content))
    return content


def _etag(template: EventTemplate) -> str:
    # With the id, for one that was deleted and stored again begins anew.
    return f'"{template.id.hex}-{template.version}"'


def _answer(template: EventTemplate, status: int = 200) -> HttpResponse:
    return shown.answer(_shown(template), status=status, headers={"ETag": _etag(template)})


def _shown(template: EventTemplate) -> dict[str, Any]:
    return {
        "name": template.name,
        "service_id": template.service,
        "description": template.description,
        "type": template.event_type,
        "schedule": template.schedule,
        "payload": template.payload,
        "handling": template.handling,
        "entity_type": template.entity_type or None,
        "timezone_context": {
            "resource_timezone": template.resource_timezone or None,
            "user_timezone": template.user_timezone or None,
            "execution_timezone": template.execution_timezone or None,
        },
        "on_tzdata_change": template.on_tzdata_change,
        "version": template.version,
        "created_at": template.created_at.isoformat(),
        "updated_at": template.updated_at.isoformat(),
    }
