"""Traces: what the core asks of whatever makes spans, and which attempts this thread runs.

Nothing here imports OpenTelemetry. Until something else in the process has, there can be no
provider, and each question ends at one look into a dict.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol
from uuid import UUID

from duly.policy.outcome import Outcome
from duly.policy.trace import NOTHING, Carrier

Clean = Callable[[str], str]
_API = "opentelemetry.trace"
_logger = logging.getLogger("duly.tracing")


class Firing(Protocol):
    """What a span tells of an occurrence; a `duly.store.rows.Claim` is one."""

    @property
    def id(self) -> UUID: ...
    @property
    def event_id(self) -> UUID: ...
    @property
    def event_type(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def ready_at(self) -> datetime: ...
    @property
    def attempt(self) -> int: ...
    @property
    def handling(self) -> Any: ...


class Attempt(Protocol):
    """One try at an occurrence; a `duly.engine.execute.Attempt` is one."""

    @property
    def claim(self) -> Firing: ...
    @property
    def number(self) -> int: ...

    carrier: Carrier | None
    """The trace that it was handed over in, if it was."""
    trace: str
    """The `traceparent` of its span."""


class Draft(Protocol):
    """An event that is about to be scheduled."""

    @property
    def event_type(self) -> str: ...
    @property
    def service(self) -> str: ...


class AttemptSpan(Protocol):
    """The span of attempts that run together; most often of one."""

    @property
    def traceparent(self) -> str: ...

    def failed(self, attempt: Attempt, error: BaseException, clean: Clean) -> None:
        """Tell it what an attempt raised, in text that `clean` has gone through."""
        ...

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """End it; no outcomes: the attempts were broken off."""
        ...


class Tracer(Protocol):
    """Makes spans."""

    def is_on(self) -> bool:
        """Say whether anybody wants them."""
        ...

    def carrier(self) -> Carrier:
        """Give the span that is active here, to be passed on."""
        ...

    def scheduling(self, drafts: Sequence[Draft]) -> AbstractContextManager[Carrier]:
        """Make a span of storing events; gives it, to be stored with them."""
        ...

    def starting_saga(self, name: str) -> AbstractContextManager[object]:
        """Make a span of starting a saga."""
        ...

    def dispatching(
        self, claims: Sequence[Firing]
    ) -> AbstractContextManager[Mapping[UUID, Carrier]]:
        """Make a span for each claim that is handed over; gives these by occurrence."""
        ...

    def attempt(self, attempts: Sequence[Attempt]) -> AttemptSpan:
        """Begin the span of attempts that run together, and make it the active one."""
        ...


class _Silent:
    """Is asked for a tracer until one is named."""

    make: Callable[[], Tracer] | None = None
    made: Tracer | None = None


def trace_by(make: Callable[[], Tracer] | None) -> None:
    """Say what makes spans; it is called once OpenTelemetry has been imported. None: nothing."""
    _Silent.make, _Silent.made = make, None


def current() -> Tracer | None:
    """Give what makes spans; None where nobody wants any."""
    if _API not in sys.modules or _Silent.make is None:
        return None
    try:
        tracer = _Silent.made = _Silent.made or _Silent.make()
        return tracer if tracer.is_on() else None
    except Exception:
        _complain()
        return None


def carrier() -> Carrier:
    """Give the span that is active here as headers; nothing where there is none."""
    tracer = current()
    return tracer.carrier() if tracer is not None else NOTHING


_headers: ContextVar[Mapping[UUID, Carrier]] = ContextVar("duly_headers")


def dispatching(claims: Sequence[Firing]) -> AbstractContextManager[None]:
    """Make a span for each claim while they are handed over; see `headers_of`."""
    tracer = current()
    return nullcontext() if tracer is None else _dispatching(tracer, claims)


@contextmanager
def _dispatching(tracer: Tracer, claims: Sequence[Firing]) -> Iterator[None]:
    with tracer.dispatching(claims) as headers:
        token = _headers.set(headers)
        try:
            yield
        finally:
            _headers.reset(token)


def headers_of(claim: Firing) -> Carrier:
    """Give the headers that a claim's message is to bring, while it is handed over."""
    found = _headers.get(None)
    return NOTHING if found is None else found.get(claim.id, NOTHING)


class Attempting:
    """The attempts that run within `with`, one or a batch; `ended` says what came of them."""

    __slots__ = ("_outcomes", "_span", "_token", "attempts")

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = attempts
        self._outcomes: Sequence[Outcome] = ()
        self._span: AttemptSpan | None = None
        self._token: Token[Attempting | None] | None = None

    def __enter__(self) -> Attempting:
        tracer = current()
        if tracer is not None:
            try:
                self._span = tracer.attempt(self.attempts)
                for attempt in self.attempts:
                    attempt.trace = self._span.traceparent
            except Exception:
                _complain()
        self._token = _running.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _running.reset(self._token)
        if self._span is not None:
            try:
                self._span.end(self._outcomes)
            except Exception:
                _complain()

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """Say what came of each."""
        self._outcomes = outcomes

    def failed(self, attempt: Attempt, error: BaseException, clean: Clean) -> None:
        """Say what one raised."""
        if self._span is not None:
            try:
                self._span.failed(attempt, error, clean)
            except Exception:
                _complain()


_running: ContextVar[Attempting | None] = ContextVar("duly_running", default=None)


def running() -> Sequence[Attempt]:
    """Give the attempts that run here: none, one, or a batch."""
    found = _running.get()
    return () if found is None else found.attempts


def failed(attempt: Attempt, error: BaseException, clean: Clean) -> None:
    """Tell the span of an attempt what it raised.

    clean: takes out of a text what must not be told.
    """
    found = _running.get()
    if found is not None:
        found.failed(attempt, error, clean)


def _complain() -> None:
    # A span is never worth a firing.
    _logger.exception("a span could not be made")
