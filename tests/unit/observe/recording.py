"""Spans as OpenTelemetry's SDK records them, kept in memory for a test to look at."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from makegood.engine import tracing
from makegood.observe.opentelemetry import OpenTelemetryTracer


class Recorded:
    """What was recorded so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def spans(self, trace_id: str | None = None) -> list[ReadableSpan]:
        """The spans that have ended, of one trace or of all, in the order of their ends."""
        found = self._exporter.get_finished_spans()
        return [span for span in found if trace_id is None or trace_id_of(span) == trace_id]

    def named(self, name: str, trace_id: str | None = None) -> ReadableSpan:
        """The only span of this name."""
        [span] = [span for span in self.spans(trace_id) if span.name == name]
        return span

    def names(self, trace_id: str | None = None) -> list[str]:
        """The names of the spans, sorted."""
        return sorted(span.name for span in self.spans(trace_id))

    def path(self, span: ReadableSpan) -> list[str]:
        """The names from the root of its trace down to this span."""
        above = {span_id_of(one): one for one in self.spans()}
        names = [span.name]
        while span.parent is not None and (parent := above.get(f"{span.parent.span_id:016x}")) is not None:
            names.append(parent.name)
            span = parent
        return names[::-1]


@contextmanager
def recording(sample: float = 1.0, *, take_traceparent: bool = True) -> Generator[Recorded]:
    """This process records its spans."""
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer("test", sample, SimpleSpanProcessor(exporter))
    tracing.install(tracer, take_traceparent=take_traceparent)
    try:
        yield Recorded(exporter)
    finally:
        tracing.uninstall()
        tracer.close()


def trace_id_of(span: ReadableSpan) -> str:
    """In hex."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def span_id_of(span: ReadableSpan) -> str:
    """In hex."""
    assert span.context is not None
    return f"{span.context.span_id:016x}"
