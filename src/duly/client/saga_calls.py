"""What is asked about sagas and breakers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from duly.client.calls import Call, Listing, given, in_a_page, new_key, one_of, page_of, path
from duly.client.new_event import Entity, entity_of
from duly.client.results import Breaker, Saga

SAGAS, BREAKERS = "/api/sagas", "/api/breakers"


def start_saga(
    name: str,
    *,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    entity: Entity | None = None,
) -> Call[Saga]:
    """Start a saga that the service has a definition of; where the key is known, that saga."""
    kind, id_ = entity_of(entity)
    body = given(context=context, entity_type=kind, entity_id=id_)
    return Call(
        method="POST",
        path=SAGAS,
        # Tried again under its key, it is the same saga.
        body={"name": name, "key": new_key() if key is None else key, **body},
        read=one_of(Saga),
    )


def saga(saga: UUID | str, *, name: str | None = None) -> Call[Saga]:
    """Give a saga by its id or its key, with its steps. Raises NotFound."""
    return Call(
        method="GET", path=f"{SAGAS}/{path(saga)}", query=given(name=name), read=one_of(Saga)
    )


def sagas(
    *,
    name: str | None = None,
    status: str | None = None,
    entity: Entity | None = None,
    limit: int | None = None,
) -> Listing[Saga]:
    """Give sagas, the newest first: in brief, see `saga` for all."""
    kind, id_ = entity_of(entity)
    query = given(name=name, status=status, entity_type=kind, entity_id=id_, limit=in_a_page(limit))
    return Listing(Call(method="GET", path=SAGAS, query=query, read=page_of(Saga)), limit)


def signal_saga(
    saga: UUID | str, signal: str, value: Any = None, *, name: str | None = None
) -> Call[Saga]:
    """Give a saga a signal that it waits for, or will. Raises NotFound, Conflict."""
    return Call(
        method="POST",
        path=f"{SAGAS}/{path(saga)}/signals",
        query=given(name=name),
        body={"signal": signal, "value": value},
        read=one_of(Saga),
    )


def cancel_saga(saga: UUID | str, *, reason: str = "", name: str | None = None) -> Call[Saga]:
    """Let a saga go back. Raises NotFound, and Conflict for one that is completed."""
    return Call(
        method="POST",
        path=f"{SAGAS}/{path(saga)}/cancel",
        query=given(name=name),
        body={"reason": reason},
        read=one_of(Saga),
    )


def breakers(*, limit: int | None = None) -> Listing[Breaker]:
    """Give the breaker of the own service, if it has been passed; with `admin`, every one."""
    query = given(limit=in_a_page(limit))
    return Listing(Call(method="GET", path=BREAKERS, query=query, read=page_of(Breaker)), limit)


def open_breaker(name: str) -> Call[Breaker]:
    """Deliver nothing through a breaker until it is closed; what comes due waits.

    name: "service:" and the own service; with `admin` any other, or "type:" and an event type.
    Raises NotFound.
    """
    return Call(method="POST", path=f"{BREAKERS}/{path(name)}/open", read=one_of(Breaker))


def close_breaker(name: str) -> Call[Breaker]:
    """Let occurrences through again, whatever opened it. Raises NotFound."""
    return Call(method="POST", path=f"{BREAKERS}/{path(name)}/close", read=one_of(Breaker))
