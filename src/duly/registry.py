"""Which function handles which event type."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from duly.errors import ConfigurationError, DuplicateHandler, InvalidEvent, UnknownEventType
from duly.policy.batch import Batch, batch_of
from duly.policy.breaker import Breaker
from duly.policy.gates import Terms
from duly.policy.limits import NO_LIMITS, Concurrency, Limits
from duly.policy.retry import Retry

# An attempt without an end would hold its slot for ever; an hour is longer than
# handlers of scheduled events take, and can be raised per handler.
DEFAULT_TIMEOUT = timedelta(hours=1)
DEFAULT_WITHIN = timedelta(seconds=1)
_TYPE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,99}")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What a handler receives: one due instant of an event, on one of its attempts."""

    id: UUID
    event_id: UUID
    event_type: str
    service: str
    key: str | None
    entity_type: str
    entity_id: str
    payload: Any = field(repr=False)
    """What it was scheduled with; no representation shows it."""
    due_at: datetime
    """The instant that it is due (aware, UTC); its identity, the same on every attempt."""
    local: datetime
    """The same instant as read in the rule's zone (aware)."""
    wall_time: datetime
    """The civil time that the rule asked for (naive): differs from `local` in a gap."""
    user_timezone: str
    resource_timezone: str
    attempt: int
    """1 on the first attempt; also the fencing token."""
    deadline: datetime
    """When this attempt's time is up (aware, UTC, on the database's clock)."""
    asked_to_stop: Callable[[], bool]
    """Says whether a newer occurrence of the event waits for this one to stop, under
    `overlap="cancel_other"`; a long handler asks it now and then."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt; give it to whatever must not act twice."""
        return f"{self.event_id}:{self.due_at.isoformat()}"

    def local_in(self, zone: ZoneInfo) -> datetime:
        """Read the due instant in another zone."""
        return self.due_at.astimezone(zone)


Handler = Callable[[Occurrence], object | Awaitable[object]]
OnDead = Callable[[Any], object]
"""Is called with a row of `duly.models.Occurrence`."""
_H = TypeVar("_H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler and how it is to be run."""

    event_type: str
    function: Handler
    retry: Retry
    timeout: timedelta
    is_async: bool
    is_atomic: bool
    on_dead: OnDead | None
    limits: Limits = NO_LIMITS
    concurrency: Concurrency | None = None
    breaker: Breaker | None = None
    batch: Batch | None = None

    @property
    def gate(self) -> str:
        """The name of its gate."""
        return f"type:{self.event_type}"

    @property
    def terms(self) -> Terms | None:
        """What its occurrences have to pass together; None: nothing."""
        return Terms(self.limits, self.breaker) if self.limits or self.breaker else None


_registrations: dict[str, Registration] = {}


def handler(  # noqa: PLR0913 - all but one by keyword
    event_type: str,
    *,
    retry: Retry | None = None,
    timeout: timedelta | float = DEFAULT_TIMEOUT,
    atomic: bool = False,
    on_dead: OnDead | None = None,
    limits: Limits = NO_LIMITS,
    concurrency: Concurrency | None = None,
    breaker: Breaker | None = None,
    batch: int | None = None,
    within: timedelta | float = DEFAULT_WITHIN,
) -> Callable[[_H], _H]:
    """Register the decorated function, plain or `async def`, for an event type.

    event_type: letters, digits and `_ . : -`, at most 100; case does not matter.
    retry: how failures are retried; None is `Retry()`.
    timeout: how long one attempt may take; a number is seconds.
    atomic: run it in a transaction of duly's database that also records its success, so
        that its effects there happen exactly once. Not for `async def`.
    on_dead: called with the occurrence, as a row, once its attempts are used up; at least
        once, whatever crashes.
    limits: how many may be under way at once, over all engines, and how often one may begin.
    concurrency: how many may be under way for one entity, event or key.
    breaker: when to stop trying for a while, because attempts fail; None: never.
    batch: call it with a list of up to so many occurrences, 2 to 500; see `Batch`. None: with
        one. Not for `async def`, nor with atomic.
    within: how long the first of a batch waits for others at most; a number is seconds.

    Raises InvalidEvent for a malformed type, DuplicateHandler where another function has
    it already, ConfigurationError for a timeout that is not above zero, an atomic `async def`,
    or limits of another type.
    """
    name = normalise_type(event_type)
    limit = timeout if isinstance(timeout, timedelta) else timedelta(seconds=timeout)
    if limit <= timedelta(0):
        raise ConfigurationError(f"timeout of handler {name!r} must be above zero, got {timeout!r}")
    # Looked at while a crowd passes its gates: one that is wrong would stop them all.
    _check_type(name, "limits", limits, Limits)
    _check_type(name, "concurrency", concurrency, Concurrency | None)
    _check_type(name, "breaker", breaker, Breaker | None)

    def register(function: _H) -> _H:
        known = _registrations.get(name)
        if known is not None and not _same(known.function, function):
            raise DuplicateHandler(
                f"event type {name!r} has two handlers: {_path(known.function)} "
                f"and {_path(function)}; give one of them another type"
            )
        is_async = inspect.iscoroutinefunction(function)
        if atomic and is_async:
            raise ConfigurationError(
                f"handler {name!r} is async, and Django's transactions are not: atomic=True "
                "needs a plain function"
            )
        _registrations[name] = Registration(
            name,
            function,
            retry or Retry(),
            limit,
            is_async,
            atomic,
            on_dead,
            limits,
            concurrency,
            breaker,
            batch_of(name, batch, within, is_plain=not (is_async or atomic)),
        )
        return function

    return register


def _check_type(name: str, field: str, value: object, known: Any) -> None:
    if not isinstance(value, known):
        wanted = field.capitalize()
        raise ConfigurationError(
            f"{field} of handler {name!r} must be a {wanted}, as in {field}={wanted}(…), "
            f"got {value!r:.60}"
        )


def normalise_type(event_type: str) -> str:
    """Give the event type in lower case.

    Raises InvalidEvent when it is malformed.
    """
    name = event_type.lower() if isinstance(event_type, str) else ""
    if not _TYPE.fullmatch(name):
        raise InvalidEvent(
            f"event type {event_type!r:.120} must be 1 to 100 of letters, digits and '_.:-', "
            "beginning with a letter or digit"
        )
    return name


def find(event_type: str) -> Registration | None:
    """Give the registration of an event type, or None."""
    return _registrations.get(event_type)


def require(event_type: str) -> Registration:
    """Give the registration of an event type.

    Raises UnknownEventType, with a near name if there is one.
    """
    found = find(event_type)
    if found is None:
        near = get_close_matches(event_type, _registrations, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "is its handlers.py in an installed app?"
        raise UnknownEventType(
            f"no handler is registered for event type {event_type!r}; {hint} "
            "(DULY['STRICT'] = False accepts types that are handled elsewhere)"
        )
    return found


def known_types() -> frozenset[str]:
    """Give every event type that has a handler in this process."""
    return frozenset(_registrations)


def types_of(*, is_async: bool) -> frozenset[str]:
    """Give the event types whose handlers are `async def`, or those whose are plain."""
    return frozenset(
        event_type
        for event_type, registration in tuple(_registrations.items())
        if registration.is_async == is_async
    )


def unregister(event_type: str) -> None:
    """Forget the handler of an event type (tests do)."""
    _registrations.pop(event_type, None)


def _same(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    # A module imported twice, or reloaded, brings the same function as a new object.
    return _path(one) == _path(other)


def _path(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
