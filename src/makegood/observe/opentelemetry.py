"""Spans by OpenTelemetry's SDK, sent to a collector by OTLP over HTTP from a thread of the SDK's own.

Its queue is bounded: while the collector is away spans are dropped, never requests.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from makegood.engine.tracing import Kind, Link, Span, Value

KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
SAMPLED = TraceFlags(TraceFlags.SAMPLED)
DICE = 1 << 56
"""Ids of traces are random in their last 56 bits at least (W3C Trace Context, level 2)."""
TIMEOUT = 5.0
"""Seconds for which a sending may take, its repeats included."""
LONGEST_TEXT = 512
"""Most characters of why a span failed."""


class OpenTelemetryTracer:
    """Implements the engine's `Tracer`; `sample` is the part of new traces that is recorded."""

    def __init__(self, process: str, sample: float, processor: SpanProcessor) -> None:
        attributes = {"service.name": process, "service.namespace": "makegood", "service.version": version("makegood")}
        resource = Resource.create(attributes)
        self._provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("makegood")
        self._below = int(sample * DICE)
        self._ids = RandomIdGenerator()

    @classmethod
    def to(cls, url: str, process: str, sample: float) -> "OpenTelemetryTracer":
        """One that sends its spans to a collector."""
        return cls(process, sample, BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=TIMEOUT)))

    def samples(self) -> bool:
        """Whether a new trace that begins now is recorded."""
        return self._ids.generate_trace_id() % DICE < self._below

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str,
        *,
        links: Sequence[Link] = (),
        attributes: Mapping[str, Value] | None = None,
    ) -> Span:
        """A span that begins now."""
        around = _context(parent) if parent else INVALID_SPAN_CONTEXT
        context = trace.set_span_in_context(NonRecordingSpan(around), Context())
        others = [trace.Link(_context(link)) for link in links]
        return _Recorded(self._tracer.start_span(name, context, KINDS[kind], attributes, others))

    def close(self) -> None:
        """Sends what is left; gives up after some seconds."""
        self._provider.shutdown()


class _Recorded:
    """A span of the SDK's."""

    __slots__ = ("_span", "context")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        its = span.get_span_context()
        self.context = f"00-{its.trace_id:032x}-{its.span_id:016x}-01"

    def note(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why[:LONGEST_TEXT]))

    def end(self) -> None:
        self._span.end()


def _context(traceparent: str) -> SpanContext:
    return SpanContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=SAMPLED)
