"""Makes this process tell what it does, as configured."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from makegood.engine import tracing
from makegood.observe.logs import configure
from makegood.observe.settings import ObserveSettings


class ObservingFailed(Exception):
    """What is configured needs a package that is not here: the message says which to install."""


class Observing(AbstractContextManager["Observing"]):
    """What `set_up` has begun; leaving it sends the spans that are left."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `close`."""
        self.close()

    def close(self) -> None:
        """Ends tracing; takes some seconds when the collector does not answer. Not for the event loop's thread."""
        self._close()


def set_up(settings: ObserveSettings, process_name: str) -> Observing:
    """Begins logs and traces; `process_name` is what both call this process. Raises ObservingFailed.

    Call it once, at the start, and close what it gives when the event loop has ended.
    """
    configure(settings.logs, settings.level, process_name)
    if not settings.otlp_endpoint:
        return Observing(tracing.uninstall)
    try:
        from makegood.observe.opentelemetry import OpenTelemetryTracer  # noqa: PLC0415 - only the extra has it
    except ModuleNotFoundError as missing:
        raise ObservingFailed(
            f"traces need {missing.name}: `pip install makegood[cluster]`, or leave otlp_endpoint out of [observe]"
        ) from missing
    tracer = OpenTelemetryTracer.to(settings.traces_url, process_name, settings.sample)
    tracing.install(tracer, take_traceparent=settings.take_traceparent)

    def close() -> None:
        tracing.uninstall()
        tracer.close()

    return Observing(close)
