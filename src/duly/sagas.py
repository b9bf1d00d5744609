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
from duly.store.sagas import NewSaga

OnKnownKey = Literal["keep", "raise"]


def start_saga(
    name: str,
    *,
    context: Mapping[str, Any] | None = None,
    key: str | None = None,
    entity: tuple[str, object] | None = None,
    on_conflict: OnKnownKey = "keep",
    actor: str = "",
) -> Saga:
    """Start a saga by the definition of this moment; its first steps are scheduled with it.

    context: JSON values by name, which every step receives; an `At` among them is kept as
        its JSON form, for `wait_until`.
    key: at most 200 characters; unique among the sagas of this name.
    entity: (type, id) of what it is about; its events are about the same.
    on_conflict: where the key exists, "keep" gives the saga that is there, however it stands,
        and "raise" refuses.
    actor: who does this, for the ledger.

    Gives the saga as stored. Raises UnknownSaga, InvalidSaga, InvalidPayload, InvalidEvent,
    UnknownEventType for a step without a handler (unless DULY["STRICT"] is False), and
    SagaConflict under "raise".
    """
    settings = config()
    if on_conflict not in ("keep", "raise"):
        raise InvalidSaga(f"on_conflict must be 'keep' or 'raise', got {on_conflict!r:.60}")
    definition = definitions.require(name)
    if settings.strict:
        for event_type, service in definition.event_types():
            services.require_handler(event_type, service)
    if key is not None:
        check_length("key", key, least=1)
    check_length("actor", actor)
    kind, id_ = entity_pair(entity)
    new = NewSaga(definition, _checked(context or {}, settings), key, kind, id_)
    now = clock.now(settings.database)
    tracer = tracing.current()
    with nullcontext() if tracer is None else tracer.starting_saga(name):
        saga, is_new = sagas.start(settings.database, new, now, actor)
    if not is_new and on_conflict == "raise":
        raise SagaConflict(
            f"saga {name!r} with key {key!r} exists already: {saga.id}, {saga.status}"
        )
    return saga


def signal_saga(
    saga: UUID | str, signal: str, value: Any = None, *, name: str = "", actor: str = ""
) -> Saga:
    """Give a saga a signal that it waits for, or will; given again, it changes nothing.

    saga: its id, or its key; name: of the saga, where its key alone is ambiguous.
    value: JSON; goes into the context under the signal's name.

    Gives the saga. Raises SagaNotFound, InvalidSaga for a signal that it never waits for,
    InvalidPayload, and SagaConflict where it goes back or has ended.
    """
    settings = config()
    text = payloads.encode(value, settings.payload_max_bytes)
    now = clock.now(settings.database)
    decoded = payloads.decode(text)
    return sagas.signal(settings.database, saga, name, signal, decoded, now, actor)


def cancel_saga(saga: UUID | str, *, reason: str = "", name: str = "", actor: str = "") -> Saga:
    """Let a saga go back: what is done is compensated, and what is not begun never is.

    An attempt under way is awaited. One that goes back already, or has, stays as it is.
    Gives the saga. Raises SagaNotFound, and SagaConflict for one that is completed.
    """
    using = config().database
    return sagas.cancel(using, saga, name, reason, clock.now(using), actor)


def find_saga(saga: UUID | str, *, name: str = "") -> Saga:
    """Find a saga by its id or its key; its `steps` say how far it has come.

    Raises SagaNotFound, and SagaConflict where sagas of several names have the key.
    """
    return sagas.find(config().database, saga, name)


def list_sagas(
    *,
    name: str | None = None,
    status: str | None = None,
    entity: tuple[str, object] | None = None,
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
