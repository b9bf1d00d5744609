"""Spans of what is scheduled, dispatched and tried, for OpenTelemetry.

Needs `opentelemetry-api` alone; whoever runs the process chooses the SDK, the sampler and where
spans go. Named by the conventions for messaging where these fit, and `duly.*` where not
(https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/). Nothing of payloads,
keys or entities is told.

An event may fire weeks after it was scheduled, and many times: what fires is linked to the span
that scheduled it, and is no child of it.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import time_ns
from typing import Any
from uuid import UUID

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
)

from duly import __version__
from duly.conf import config
from duly.exporters.w3c import carrier_from, context_from, parent_from
from duly.policy.outcome import Failed, Outcome, Snoozed, TimedOut
from duly.policy.trace import (
    TRACEPARENT,
    Carrier,
    carrier_of,
    tried_of,
)
from duly.tracing import Attempt, Clean, Draft, Firing

SYSTEM = "duly"
# As the SDK keeps of a span, unless it is told otherwise.
MOST_LINKS = 128
# Characters; the end of a traceback tells more than its middle.
LONGEST_MESSAGE, LONGEST_TRACE = 4_000, 16_000
_logger = logging.getLogger("duly.tracing")
_OUTCOMES = {
    "Committed": "succeeded",
    "Succeeded": "succeeded",
    "Failed": "failed",
    "TimedOut": "timed_out",
    "Snoozed": "snoozed",
}


class OpenTelemetry:
    """Makes spans by the tracer provider of the process; see `duly.tracing.Tracer`."""

    def __init__(self) -> None:
        # A proxy until there is a provider, and then that one's.
        self._tracer = trace.get_tracer("duly", __version__)

    def is_on(self) -> bool:
        """Say whether there is a provider, and the settings do not forbid."""
        provider = trace.get_tracer_provider()
        if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
            return False
        return config().tracing

    def carrier(self) -> Carrier:
        return carrier_from(trace.get_current_span())

    @contextmanager
    def scheduling(self, drafts: Sequence[Draft]) -> Iterator[Carrier]:
        types = {draft.event_type for draft in drafts}
        services = {draft.service for draft in drafts}
        what = next(iter(types)) if len(types) == 1 else f"{len(drafts)} events"
        attributes: dict[str, Any] = _operation("schedule", "create")
        if len(drafts) > 1:
            attributes["messaging.batch.message_count"] = len(drafts)
        if len(types) == 1:
            attributes["messaging.destination.name"] = what
        if len(services) == 1:
            attributes["duly.service"] = next(iter(services))
        with self._active(f"duly schedule {what}", attributes) as span:
            yield carrier_from(span)

    @contextmanager
    def starting_saga(self, name: str) -> Iterator[None]:
        attributes = _operation("schedule", "create") | {"duly.saga": name}
        with self._active(f"duly schedule saga {name}", attributes):
            yield

    @contextmanager
    def _active(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        """Make a span that is active within `with`, and tells what kind of error is raised there.

        Not its message, which may name a key.
        """
        span = self._begin(name, None, SpanKind.PRODUCER, attributes)
        token = contexts.attach(trace.set_span_in_context(span))
        try:
            yield span
        except BaseException as error:
            span.set_attribute("error.type", _name_of(error))
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            contexts.detach(token)
            _end(span)

    @contextmanager
    def dispatching(self, claims: Sequence[Firing]) -> Iterator[Mapping[UUID, Carrier]]:
        spans = {claim.id: self._hand_over(claim) for claim in claims}
        try:
            yield {id_: carrier_from(span) for id_, span in spans.items()}
        except BaseException as error:
            for span in spans.values():
                _fail(span, error)
            raise
        finally:
            for span in spans.values():
                _end(span)

    def attempt(self, attempts: Sequence[Attempt]) -> _AttemptSpan:
        first = attempts[0]
        claims = [attempt.claim for attempt in attempts]
        about, links = _about(claims, first.number), _links(claims)
        name = f"duly attempt {first.claim.event_type}"
        if first.carrier and len(attempts) == 1:
            # Handed over, and so dispatched already.
            parent = parent_from(first.carrier)
        else:
            operation = _operation("dispatch", "")
            dispatch = self._dispatch(claims, SpanKind.INTERNAL, operation | about, links)
            parent = trace.set_span_in_context(dispatch, Context())
            _end(dispatch)
        attributes = _operation("attempt", "process") | about
        span = self._begin(name, parent, SpanKind.CONSUMER, attributes, links)
        return _AttemptSpan(span)

    def _hand_over(self, claim: Firing) -> Span:
        attributes = _operation("dispatch", "send") | _about([claim], claim.attempt + 1)
        return self._dispatch([claim], SpanKind.PRODUCER, attributes, _links([claim]))

    def _dispatch(
        self,
        claims: Sequence[Firing],
        kind: SpanKind,
        attributes: Mapping[str, Any],
        links: Sequence[Link],
    ) -> Span:
        """Make the span from the instant that something was due until it is on its way.

        A root: whatever is active here has nothing to do with it.
        """
        since = min(_nanoseconds(min(claim.ready_at for claim in claims)), time_ns())
        name = f"duly dispatch {claims[0].event_type}"
        return self._begin(name, Context(), kind, attributes, links, since)

    def _begin(
        self,
        name: str,
        parent: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        links: Sequence[Link] = (),
        since: int | None = None,
    ) -> Span:
        """Begin a span; one that does nothing where the SDK fails."""
        try:
            return self._tracer.start_span(
                name, parent, kind, attributes, links, start_time=since, record_exception=False
            )
        except Exception:
            _logger.exception("a span could not be made")
            return trace.INVALID_SPAN


class _AttemptSpan:
    """The span of attempts that run together, active until it is ended."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = trace.set_span_in_context(span)
        self.traceparent = carrier_from(span).get(TRACEPARENT, "")
        self._token = contexts.attach(context)

    def failed(self, attempt: Attempt, error: BaseException, clean: Clean) -> None:
        """Tell of what one of them raised."""
        attributes = {"messaging.message.id": str(attempt.claim.id)}
        _fail(self._span, error, attributes, clean)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """End it, with what came of them."""
        contexts.detach(self._token)
        words = {_OUTCOMES.get(type(outcome).__name__, "interrupted") for outcome in outcomes}
        if len(words) == 1:
            self._span.set_attribute("duly.outcome", next(iter(words)))
        for outcome in outcomes:
            if isinstance(outcome, TimedOut):
                seconds = outcome.timeout.total_seconds()
                text = f"the handler was still running after {seconds:g} s"
                self._span.set_attribute("error.type", "timeout")
                self._span.set_status(Status(StatusCode.ERROR, text))
            elif isinstance(outcome, Snoozed):
                self._span.add_event("snoozed")
        failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
        if failed and len(outcomes) > 1:
            text = f"{failed} of {len(outcomes)} occurrences failed"
            self._span.set_status(Status(StatusCode.ERROR, text))
        _end(self._span)


def _fail(
    span: Span,
    error: BaseException,
    attributes: Mapping[str, Any] | None = None,
    clean: Clean = str,
) -> None:
    if not span.is_recording():
        return
    name = _name_of(error)
    told = {
        "exception.type": name,
        "exception.message": clean(str(error))[:LONGEST_MESSAGE],
        "exception.stacktrace": clean("".join(traceback.format_exception(error)))[-LONGEST_TRACE:],
    }
    span.add_event("exception", told | dict(attributes or {}))
    span.set_attribute("error.type", name)
    span.set_status(
        Status(StatusCode.ERROR, f"{type(error).__name__}: {told['exception.message']}")
    )


def _name_of(error: BaseException) -> str:
    kind = type(error)
    is_plain = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if is_plain else f"{kind.__module__}.{kind.__qualname__}"


def _end(span: Span) -> None:
    try:
        span.end()
    except Exception:
        _logger.exception("a span could not be ended")


def _operation(name: str, kind: str) -> dict[str, Any]:
    found = {"messaging.system": SYSTEM, "messaging.operation.name": name}
    return found | {"messaging.operation.type": kind} if kind else found


def _about(claims: Sequence[Firing], number: int) -> dict[str, Any]:
    first = claims[0]
    found: dict[str, Any] = {
        "messaging.destination.name": first.event_type,
        "duly.service": first.service,
    }
    if len(claims) > 1:
        return found | {"messaging.batch.message_count": len(claims)}
    return found | {
        "messaging.message.id": str(first.id),
        "duly.event_id": str(first.event_id),
        "duly.attempt": number,
        "duly.due_at": first.due_at.isoformat(),
    }


def _links(claims: Sequence[Firing]) -> list[Link]:
    """Link to what scheduled them, and to the attempts before."""
    found: dict[tuple[int, int, str], Link] = {}
    for claim in claims:
        if not claim.handling:
            continue
        # The attempt before tells more than the scheduling, where there is room for one.
        for kind, carrier in (
            ("retry", tried_of(claim.handling)),
            ("schedule", carrier_of(claim.handling)),
        ):
            if not carrier:
                continue
            context = context_from(carrier)
            if context.is_valid and len(found) < MOST_LINKS:
                key = (context.trace_id, context.span_id, kind)
                found[key] = Link(context, {"duly.link": kind})
    return list(found.values())


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
