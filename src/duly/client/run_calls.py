"""What is asked about what came of events: occurrences, the ledger, dead letters, sagas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from duly.client.calls import EVENTS, Call, Page, given, in_a_page, new_key, one_of, page_of, path
from duly.client.event_calls import EventId
from duly.client.new_event import Entity, entity_of
from duly.client.results import LedgerEntry, Occurrence, Replayed, Saga
from duly.client.times import written_optional

SAGAS = "/api/sagas"


class Dead(TypedDict, total=False):
    """Which dead letters are meant; what is not given does not narrow."""

    type: str | None
    service: str | None
    entity: Entity | None
    error: str | None
    start: datetime | None
    end: datetime | None
    limit: int | None


def occurrences(event: EventId, status: str | None, limit: int | None) -> Call[Page[Occurrence]]:
    """Ask for what has come due of an event."""
    return Call(
        method="GET",
        path=f"{EVENTS}/{path(event)}/occurrences",
        query=given(status=status, limit=in_a_page(limit)),
        read=page_of(Occurrence),
    )


def occurrence(id_: UUID | str) -> Call[Occurrence]:
    """Ask for one occurrence."""
    return Call(method="GET", path=f"/api/occurrences/{path(id_)}", read=one_of(Occurrence))


def ledger(event: EventId, order: str, limit: int | None) -> Call[Page[LedgerEntry]]:
    """Ask for the facts of an event."""
    return Call(
        method="GET",
        path=f"{EVENTS}/{path(event)}/ledger",
        query=given(order=order, limit=in_a_page(limit)),
        read=page_of(LedgerEntry),
    )


def dead_letters(dead: Dead) -> Call[Page[Occurrence]]:
    """Ask for what is dead."""
    query = _dead(dead) | given(limit=in_a_page(dead.get("limit")))
    return Call(method="GET", path="/api/dead-letters", query=query, read=page_of(Occurrence))


def replay_dead(dead: Dead, is_rehearsal: bool) -> Call[Replayed]:
    """Ask for what is dead to run again."""
    return Call(
        method="POST",
        path="/api/dead-letters/replay",
        body=_dead(dead) | given(limit=dead.get("limit")) | {"dry_run": is_rehearsal},
        read=one_of(Replayed),
    )


def replay(occurrence: UUID | str) -> Call[Occurrence]:
    """Ask for one occurrence to run again."""
    # The second time it has not ended, which is a conflict, or it has, and would run once more.
    return Call(
        method="POST",
        path=f"/api/occurrences/{path(occurrence)}/replay",
        read=one_of(Occurrence),
        is_repeatable=False,
    )


def start_saga(
    name: str, context: Mapping[str, Any] | None, key: str | None, entity: Entity | None
) -> Call[Saga]:
    """Ask for a saga to start; tried again, it is the same saga."""
    kind, id_ = entity_of(entity)
    body = given(context=context, entity_type=kind, entity_id=id_)
    return Call(
        method="POST",
        path=SAGAS,
        body={"name": name, "key": new_key() if key is None else key, **body},
        read=one_of(Saga),
    )


def saga(saga: UUID | str, name: str | None) -> Call[Saga]:
    """Ask how far a saga has come."""
    return Call(
        method="GET", path=f"{SAGAS}/{path(saga)}", query=given(name=name), read=one_of(Saga)
    )


def sagas(
    name: str | None, status: str | None, entity: Entity | None, limit: int | None
) -> Call[Page[Saga]]:
    """Ask for sagas."""
    kind, id_ = entity_of(entity)
    query = given(name=name, status=status, entity_type=kind, entity_id=id_, limit=in_a_page(limit))
    return Call(method="GET", path=SAGAS, query=query, read=page_of(Saga))


def signal_saga(saga: UUID | str, signal: str, value: Any, name: str | None) -> Call[Saga]:
    """Ask for a saga to be given a signal."""
    return Call(
        method="POST",
        path=f"{SAGAS}/{path(saga)}/signals",
        query=given(name=name),
        body={"signal": signal, "value": value},
        read=one_of(Saga),
    )


def cancel_saga(saga: UUID | str, reason: str, name: str | None) -> Call[Saga]:
    """Ask for a saga to go back."""
    return Call(
        method="POST",
        path=f"{SAGAS}/{path(saga)}/cancel",
        query=given(name=name),
        body={"reason": reason},
        read=one_of(Saga),
    )


def _dead(dead: Dead) -> dict[str, str]:
    kind, id_ = entity_of(dead.get("entity"))
    return given(
        type=dead.get("type"),
        service_id=dead.get("service"),
        entity_type=kind,
        entity_id=id_,
        error=dead.get("error"),
        start_time=written_optional(dead.get("start"), name="start"),
        end_time=written_optional(dead.get("end"), name="end"),
    )
