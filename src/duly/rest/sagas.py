"""Sagas: see how far they have come, start, signal and cancel them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import sagas
from duly.models import Saga
from duly.models.saga import SagaStep
from duly.policy.scopes import Scope
from duly.rest import pages, shown
from duly.rest.auth import admit_events, identified
from duly.rest.events import Limit, Text, service_seen
from duly.rest.guard import needs
from duly.rest.new_events import DEFAULT_ENTITY_TYPE
from duly.rest.occurrences import service_of
from duly.rest.problems import invalid, reading
from duly.rest.schemas import sagas as schemas
from duly.rest.told import iso

router = Router(tags=["sagas"])


@router.get("sagas", response=schemas.SagaPage, summary="List sagas")
@needs(Scope.READ)
def list_sagas(  # noqa: PLR0913 - each narrows the choice
    request: HttpRequest,
    name: Text | None = None,
    status: schemas.SagaStatus | None = None,
    service_id: Text | None = None,
    entity_type: Text | None = None,
    entity_id: Text | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor | None = None,
) -> HttpResponse:
    """List sagas, the newest first."""
    caller = identified(request)
    place = pages.read_cursor(cursor, UUID)
    rows = sagas.list_sagas(name=name, status=status, service=service_seen(caller, service_id))
    if entity_type is not None:
        rows = rows.filter(entity_type=entity_type)
    if entity_id is not None:
        rows = rows.filter(entity_id=entity_id)
    if place is not None:
        rows = rows.filter(id__lt=place[0])
    found = list(rows.defer("context", "definition")[: limit + 1])
    page = pages.page_of(found, limit, lambda one: (one.id,))
    listed = {"items": [_brief(one) for one in page.rows], "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.post("sagas", response={200: schemas.Saga, 201: schemas.Saga}, summary="Start a saga")
@needs(Scope.SCHEDULE)
def start_saga(request: HttpRequest, new: schemas.NewSaga) -> HttpResponse:
    """Start a saga that is defined for the caller's service: 201, and its first steps are due.

    200 where the key is known: that saga, however it stands.
    """
    caller = identified(request)
    with reading(new.dict()):
        checked = sagas.checked_saga(
            new.name,
            context=new.context,
            key=new.key,
            entity=_entity(new),
            service=service_of(caller),
        )
        admit_events(request, checked.service, 1)
        saga, is_new = sagas.start_checked(checked, actor=caller.actor)
    return shown.answer(_whole(saga), status=201 if is_new else 200)


@router.get("sagas/{saga}", response=schemas.Saga, summary="Look at a saga")
@needs(Scope.READ)
def get_saga(request: HttpRequest, saga: str, name: Text | None = None) -> HttpResponse:
    """Give a saga by its saga_id or its key, with its steps.

    `name` says which, where sagas of several names have the key.
    """
    caller = identified(request)
    return shown.answer(_whole(sagas.find_saga(saga, name=name or "", service=service_of(caller))))


@router.post("sagas/{saga}/signals", response=schemas.Saga, summary="Signal a saga")
@needs(Scope.SCHEDULE)
def signal_saga(
    request: HttpRequest, saga: str, given: schemas.Signal, name: Text | None = None
) -> HttpResponse:
    """Give a saga a signal that it waits for, or will; given again, it changes nothing."""
    caller = identified(request)
    with reading(given.dict()):
        found = sagas.signal_saga(
            saga,
            given.signal,
            given.value,
            name=name or "",
            service=service_of(caller),
            actor=caller.actor,
        )
    return shown.answer(_whole(found))


@router.post("sagas/{saga}/cancel", response=schemas.Saga, summary="Let a saga go back")
@needs(Scope.CANCEL)
def cancel_saga(
    request: HttpRequest, saga: str, why: schemas.CancelSaga, name: Text | None = None
) -> HttpResponse:
    """Let a saga go back: what is done is compensated, and what is not begun never is.

    409 for one that is completed; one that goes back already, or has, stays as it is.
    """
    caller = identified(request)
    found = sagas.cancel_saga(
        saga,
        reason=why.reason,
        name=name or "",
        service=service_of(caller),
        actor=caller.actor,
    )
    return shown.answer(_whole(found))


def _entity(new: schemas.NewSaga) -> tuple[str, str] | None:
    if new.entity_id is None:
        if new.entity_type is not None:
            raise invalid("entity_id", None, "must be given where entity_type is")
        return None
    return new.entity_type or DEFAULT_ENTITY_TYPE, new.entity_id


def _brief(saga: Saga) -> dict[str, Any]:
    return {
        "saga_id": str(saga.id),
        "name": saga.name,
        "service_id": saga.service,
        "key": saga.key,
        "version": saga.version,
        "entity_type": saga.entity_type or None,
        "entity_id": saga.entity_id or None,
        "status": str(saga.status),
        "reason": saga.reason or None,
        "created_at": saga.created_at.isoformat(),
        "updated_at": saga.updated_at.isoformat(),
    }


def _whole(saga: Saga) -> dict[str, Any]:
    steps = saga.steps.order_by("position", "id")
    return {**_brief(saga), "context": saga.context, "steps": [_step(step) for step in steps]}


def _step(step: SagaStep) -> dict[str, Any]:
    return {
        "position": step.position,
        "name": step.name,
        "direction": step.direction,
        "status": str(step.status),
        "event_id": str(step.event_id) if step.event_id else None,
        "occurrence_id": str(step.occurrence_id) if step.occurrence_id else None,
        "began_at": iso(step.began_at),
        "ended_at": iso(step.ended_at),
        "result": step.result,
        "reason": step.reason or None,
    }
