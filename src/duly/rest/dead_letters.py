"""Dead letters: what died, of what, and to let it run again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Router

from duly import scheduling
from duly.access.caller import Caller
from duly.models import Occurrence
from duly.policy.scopes import Scope
from duly.rest import pages, shown, told
from duly.rest.auth import identified
from duly.rest.described import REPEATED
from duly.rest.events import Limit, Text, service_seen
from duly.rest.guard import needs
from duly.rest.occurrences import service_of
from duly.rest.problems import reading
from duly.rest.repeats import repeatable
from duly.rest.schedules import read_instant
from duly.rest.schemas.occurrences import (
    DeadGroups,
    DeadLetterPage,
    OccurrenceBrief,
    ReplayAnswer,
    ReplayRequest,
)
from duly.store import dead
from duly.store.occurrences import FromDue, page_of_dead

router = Router(tags=["dead letters"])


@router.get("dead-letters", response=DeadLetterPage, summary="List dead letters")
@needs(Scope.READ)
def list_dead(  # noqa: PLR0913 - each narrows the choice
    request: HttpRequest,
    type: Text | None = None,  # noqa: A002 - its name in the contract
    service_id: Text | None = None,
    entity_type: Text | None = None,
    entity_id: Text | None = None,
    error: Text | None = None,
    start_time: Text | None = None,
    end_time: Text | None = None,
    limit: Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor | None = None,
) -> HttpResponse:
    """List the occurrences whose attempts are used up, those due first first.

    `error` is a part of what they died of; `start_time` and `end_time` are of their due
    instants, [start, end), and read in UTC where they have no offset.
    """
    caller = identified(request)
    wanted = _Wanted(
        type=type,
        service_id=service_id,
        entity_type=entity_type,
        entity_id=entity_id,
        error=error,
        start_time=start_time,
        end_time=end_time,
    )
    place = pages.read_cursor(cursor, pages.instant, UUID)
    after = FromDue(due_at=place[0], id=place[1]) if place else None
    found = page_of_dead(_rows(caller, wanted), after, limit + 1)
    page = pages.page_of(found, limit, lambda one: (one.due_at, one.id))
    listed = {"items": [_letter(one) for one in page.rows], "next_cursor": page.next_cursor}
    return shown.answer(listed, headers=pages.link_to_next(request, page))


@router.get("dead-letters/groups", response=DeadGroups, summary="Dead letters by their error")
@needs(Scope.READ)
def group_dead(
    request: HttpRequest,
    type: Text | None = None,  # noqa: A002 - its name in the contract
    service_id: Text | None = None,
) -> HttpResponse:
    """Say what the dead died of: by type and the first line of the error, the largest first.

    Of the newest 5,000; `complete` says whether these are all.
    """
    caller = identified(request)
    found = dead.grouped(_rows(caller, _Wanted(type=type, service_id=service_id)))
    groups = [
        {
            "service_id": group.service,
            "type": group.event_type,
            "error": group.error,
            "count": group.count,
            "first_due_at": group.first_due_at.isoformat(),
            "last_due_at": group.last_due_at.isoformat(),
            "latest_occurrence_id": str(group.latest),
        }
        for group in found.groups
    ]
    return shown.answer(
        {"groups": groups, "looked_at": found.looked_at, "complete": found.is_whole}
    )


@router.post(
    "dead-letters/replay",
    response=ReplayAnswer,
    summary="Replay many dead letters",
    openapi_extra=REPEATED,
)
@needs(Scope.REPLAY)
@repeatable
def replay_many(request: HttpRequest, asked: ReplayRequest) -> HttpResponse:
    """Let dead letters run again, the oldest first, under the same idempotency keys.

    With `dry_run` nothing is done, and it is said how many there are, up to the limit.
    """
    caller = identified(request)
    rows = _rows(caller, _Wanted(**asked.dict(exclude={"limit", "dry_run"})))
    ids: list[str] = []
    if asked.dry_run:
        count = dead.count_up_to(rows, asked.limit)
    else:
        ids = [str(one.id) for one in scheduling.replay_rows(rows, asked.limit, caller.actor)]
        count = len(ids)
    return shown.answer(
        {
            "dry_run": asked.dry_run,
            "count": count,
            "occurrence_ids": ids,
            "more": count == asked.limit,
        }
    )


@router.post(
    "occurrences/{occurrence_id}/replay",
    response=OccurrenceBrief,
    summary="Replay an occurrence",
    openapi_extra=REPEATED,
)
@needs(Scope.REPLAY)
@repeatable
def replay_one(request: HttpRequest, occurrence_id: str) -> HttpResponse:
    """Let one occurrence that has ended run again, under the same idempotency key.

    409 where it has not ended.
    """
    caller = identified(request)
    one = scheduling.replay(occurrence_id, service=service_of(caller), actor=caller.actor)
    return shown.answer(told.brief(one))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which dead letters are meant; None does not narrow."""

    type: str | None = None
    service_id: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    error: str | None = None
    start_time: str | None = None
    end_time: str | None = None


def _rows(caller: Caller, wanted: _Wanted) -> QuerySet[Occurrence, Occurrence]:
    """Find what is dead and wanted, and there for the caller. Raises Problem."""
    start, end = wanted.start_time, wanted.end_time
    service = service_seen(caller, wanted.service_id)
    with reading({"type": wanted.type}):
        rows = scheduling.dead_letters(
            event_type=wanted.type,
            service=service,
            error=wanted.error,
            start=read_instant("start_time", start, "UTC") if start else None,
            end=read_instant("end_time", end, "UTC") if end else None,
        )
    if wanted.entity_type is not None:
        rows = rows.filter(event__entity_type=wanted.entity_type)
    if wanted.entity_id is not None:
        rows = rows.filter(event__entity_id=wanted.entity_id)
    return rows


def _letter(one: Occurrence) -> dict[str, object]:
    return {
        **told.brief(one),
        "entity_type": one.event.entity_type or None,
        "entity_id": one.event.entity_id or None,
    }
