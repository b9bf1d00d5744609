"""The verbs of sagas: start, signal, cancel, find.

Each takes part in the caller's transaction: rolled back with it, durable with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Literal
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from duly import clock, definitions, payloads, services, tracing
from duly.civil.forms import rules_as_json
from duly.conf import Config, config
from duly.errors import InvalidSaga, SagaConflict
from duly.intake import check_length, entity_pair
from duly.models import Saga
from duly.policy.saga import SagaStatus
from duly.store import sagas
from duly.store.sagas import NewSaga, Which

OnKnownKey = Literal["keep", "raise"]


def start_saga(  # noqa: PLR0913 - all but one by keyword
    name: str,
    *,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    entity: tuple[str, object] | None = None,
    service: str | None = None,
    on_conflict: OnKnownKey = "keep",
    actor: str = "",
) -> Saga:
    """Start a saga by the definition of this moment; its first steps are scheduled with it.

    context: JSON values by name, which every step receives; an `At` among them is kept as
        its JSON form, for `wait_until`.
    key: at most 200 characters; unique among the sagas of this name.
    entity: (type, id) of what it is about; its events are about the same.
    service: a saga that is defined for another is not found; None: whosever it is.
    on_conflict: where the key exists, "keep" gives the saga that is there, however it stands,
        and "raise" refuses.
    actor: who does this, for the ledger.

    Gives the saga as stored. Raises UnknownSaga, InvalidSaga, InvalidPayload, InvalidEvent,
    UnknownEventType for a step without a handler (unless DULY["STRICT"] is False), and
    SagaConflict under "raise".
    """
    if on_conflict not in ("keep", "raise"):
        raise InvalidSaga(f"on_conflict must be 'keep' or 'raise', got {on_conflict!r:.60}")
    new = checked_saga(name, context=context, key=key, entity=entity, service=service)
    saga, is_new = start_checked(new, actor=actor)
    if not is_new and on_conflict == "raise":
        raise SagaConflict(
            f"saga {name!r} with key {key!r} exists already: {saga.id}, {saga.status}"
        )
    return saga


def checked_saga(
    name: str,
    *,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    entity: tuple[str, object] | None = None,
    service: str | None = None,
) -> NewSaga:
    """Give a saga that could be started; see `start_saga` for what it takes and raises."""
    settings = config()
    defined = definitions.require(name, service)
    if settings.strict:
        for event_type, owner in defined.definition.event_types():
            services.require_handler(event_type, owner)
    if key is not None:
        check_length("key", key, least=1)
    kind, id_ = entity_pair(entity)
    return NewSaga(
        defined.definition, defined.service, _checked(context or {}, settings), key, kind, id_
    )


def start_checked(new: NewSaga, *, actor: str = "") -> tuple[Saga, bool]:
    """Start it, or find the one that has its key; says whether it was started."""
    check_length("actor", actor)
    services.registry.refresh()
    using = config().database
    tracer = tracing.current()
    with nullcontext() if tracer is None else tracer.starting_saga(new.definition.name):
        return sagas.start(using, new, clock.now(using), actor)


def signal_saga(
    saga: UUID | str,
    signal: str,
    value: Any = None,
    *,
    name: str = "",
    service: str | None = None,
    actor: str = "",
) -> Saga:
    """Give a saga a signal that it waits for, or will; given again, it changes nothing.

    saga: its id, or its key; name: of the saga, where its key alone is ambiguous.
    service: another's is not found; None: whosever it is.
    value: JSON; goes into the context under the signal's name.

    Gives the saga. Raises SagaNotFound, InvalidSaga for a signal that it never waits for,
    InvalidPayload, and SagaConflict where it goes back or has ended.
    """
    settings = config()
    text = payloads.encode(value, settings.payload_max_bytes)
    services.registry.refresh()
    now = clock.now(settings.database)
    decoded = payloads.decode(text)
    which = Which(saga, name, service)
    return sagas.signal(settings.database, which, signal, decoded, now, actor)


def cancel_saga(
    saga: UUID | str,
    *,
    reason: str = "",
    name: str = "",
    service: str | None = None,
    actor: str = "",
) -> Saga:
    """Let a saga go back: what is done is compensated, and what is not begun never is.

    service: another's is not found; None: whosever it is.

    An attempt under way is awaited. One that goes back already, or has, stays as it is.
    Gives the saga. Raises SagaNotFound, and SagaConflict for one that is completed.
    """
    using = config().database
    services.registry.refresh()
    which = Which(saga, name, service)
    return sagas.cancel(using, which, reason, clock.now(using), actor)


def find_saga(saga: UUID | str, *, name: str = "", service: str | None = None) -> Saga:
    """Find a saga by its id or its key; its `steps` say how far it has come.

    service: another's is not found; None: whosever it is.

    Raises SagaNotFound, and SagaConflict where sagas of several names have the key.
    """
    return sagas.find(config().database, Which(saga, name, service))


def list_sagas(
    *,
    name: str | None = None,
    status: str | None = None,
    entity: tuple[str, object] | None = None,
    service: str | None = None,
) -> QuerySet[Saga, Saga]:
    """Find sagas, the newest first. Raises InvalidSaga for an unknown status."""
    rows = Saga.objects.using(config().database)
    if name is not None:
        rows = rows.filter(name=name)
    if status is not None:
        if status not in list(SagaStatus):
            known = ", ".join(SagaStatus)
            raise InvalidSaga(f"status must be one of {known}; got {status!r:.60}")
        rows = rows.filter(status=status)
    if entity is not None:
        kind, id_ = entity_pair(entity)
        rows = rows.filter(entity_type=kind, entity_id=id_)
    if service is not None:
        rows = rows.filter(service=service)
    return rows.order_by("-id")


def _checked(context: Mapping[str, Any], settings: Config) -> Any:
    if not isinstance(context, Mapping):
        raise InvalidSaga(f"context must be a dict of JSON values, got {context!r:.120}")
    text = payloads.encode(rules_as_json(context), settings.payload_max_bytes)
    return payloads.decode(text)


astart_saga = sync_to_async(start_saga)
asignal_saga = sync_to_async(signal_saga)
acancel_saga = sync_to_async(cancel_saga)
afind_saga = sync_to_async(find_saga)
