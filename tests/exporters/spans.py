"""Spans in memory, and the questions that tests ask of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from duly import apps, tracing


class Spans:
    """What has ended so far."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str, count: int = 1, seconds: float = 15) -> list[ReadableSpan]:
        """Wait until so many spans of this name have ended; gives them, the oldest first."""
        until = time.monotonic() + seconds
        while True:
            found = [span for span in self.exporter.get_finished_spans() if span.name == name]
            if len(found) >= count or time.monotonic() > until:
                break
            time.sleep(0.01)
        assert len(found) == count, [span.name for span in self.exporter.get_finished_spans()]
        return sorted(found, key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        return self.named(name)[0]

    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]


@contextmanager
def collected(spans: Spans | None = None) -> Iterator[Spans]:
    """Make a provider that of the process, which else may have one only once."""
    spans = spans or Spans()
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = spans.provider
    tracing.trace_by(apps.opentelemetry)
    try:
        yield spans
    finally:
        trace._TRACER_PROVIDER = before
        tracing.trace_by(apps.opentelemetry)


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def links(span: ReadableSpan) -> dict[str, int]:
    """Give the ids of the spans that one is linked to, by the kind of link."""
    return {str((link.attributes or {})["duly.link"]): link.context.span_id for link in span.links}


def id_of(span: ReadableSpan) -> int:
    return context_of(span).span_id


def parent_of(span: ReadableSpan) -> int:
    return span.parent.span_id if span.parent else 0


def attribute(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)
