"""What is asked about what came of events: occurrences, the ledger, dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict, Unpack
from uuid import UUID

from duly.client.calls import Call, Listing, given, in_a_page, one_of, page_of, path, repeatable
from duly.client.event_calls import EventId, on
from duly.client.new_event import Entity, entity_of
from duly.client.results import DeadGroups, LedgerEntry, Occurrence, Replayed
from duly.client.times import written_optional

OCCURRENCES, DEAD_LETTERS = "/api/occurrences", "/api/dead-letters"


class Dead(TypedDict, total=False):
    """Which dead letters are meant; what is not given does not narrow."""

    type: str | None
    service: str | None
    entity: Entity | None
    error: str | None
    start: datetime | None
    end: datetime | None
    limit: int | None


def occurrences(
    event: EventId, *, status: str | None = None, limit: int | None = None
) -> Listing[Occurrence]:
    """Give what has come due of an event, with its attempts, the latest first."""
    call = Call(
        method="GET",
        path=on(event, "occurrences"),
        query=given(status=status, limit=in_a_page(limit)),
        read=page_of(Occurrence),
    )
    return Listing(call, limit)


def occurrence(occurrence: UUID | str) -> Call[Occurrence]:
    """Give one occurrence with its payload, its error and its attempts. Raises NotFound."""
    return Call(method="GET", path=f"{OCCURRENCES}/{path(occurrence)}", read=one_of(Occurrence))


def ledger(
    event: EventId, *, newest_first: bool = False, limit: int | None = None
) -> Listing[LedgerEntry]:
    """Give what has happened to an event and its occurrences, the oldest first."""
    order = "newest" if newest_first else "oldest"
    call = Call(
        method="GET",
        path=on(event, "ledger"),
        query=given(order=order, limit=in_a_page(limit)),
        read=page_of(LedgerEntry),
    )
    return Listing(call, limit)


def dead_letters(**dead: Unpack[Dead]) -> Listing[Occurrence]:
    """Give the occurrences whose attempts are used up, those due first first.

    type, service, entity: of their event. error: a part of what they died of.
    start, end: of their due instants, aware, [start, end). limit: at most so many.
    """
    query = _dead(dead) | given(limit=in_a_page(dead.get("limit")))
    call = Call(method="GET", path=DEAD_LETTERS, query=query, read=page_of(Occurrence))
    return Listing(call, dead.get("limit"))


def dead_letter_groups(
    *,
    type: str | None = None,  # noqa: A002 - as the service calls it
    service: str | None = None,
) -> Call[DeadGroups]:
    """Say what the newest 5,000 dead letters died of, by type and error."""
    query = given(type=type, service_id=service)
    return Call(method="GET", path=f"{DEAD_LETTERS}/groups", query=query, read=one_of(DeadGroups))


def replay(occurrence: UUID | str) -> Call[Occurrence]:
    """Let one occurrence that has ended run again, under the same idempotency key.

    Raises NotFound, Conflict.
    """
    return Call(
        method="POST",
        path=f"{OCCURRENCES}/{path(occurrence)}/replay",
        read=one_of(Occurrence),
        headers=repeatable(),
    )


def replay_dead(*, dry_run: bool = False, **dead: Unpack[Dead]) -> Call[Replayed]:
    """Let dead letters run again, chosen as by `dead_letters`; `dry_run` only counts them."""
    return Call(
        method="POST",
        path=f"{DEAD_LETTERS}/replay",
        body=_dead(dead) | given(limit=dead.get("limit")) | {"dry_run": dry_run},
        headers=repeatable(),
        read=one_of(Replayed),
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
