"""Spans as the headers of W3C Trace Context, and back."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from duly.policy.trace import TRACEPARENT, TRACESTATE, Carrier, numbers_of, parent_text

_W3C = TraceContextTextMapPropagator()


def carrier_from(span: Span) -> dict[str, str]:
    """Give a span as headers; nothing for one that does nothing."""
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    found = {TRACEPARENT: parent_text(context.trace_id, context.span_id, context.trace_flags)}
    if context.trace_state:
        found[TRACESTATE] = context.trace_state.to_header()
    return found


def context_from(carrier: Carrier) -> SpanContext:
    """Read headers; what makes no sense gives a context that is not valid."""
    if TRACESTATE in carrier:
        extracted = _W3C.extract(dict(carrier), Context())
        return trace.get_current_span(extracted).get_span_context()
    trace_id, span_id, flags = numbers_of(carrier.get(TRACEPARENT, ""))
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def parent_from(carrier: Carrier) -> Context:
    """Give the context in which the span of these headers is the parent, and nothing else is."""
    return trace.set_span_in_context(NonRecordingSpan(context_from(carrier)), Context())
