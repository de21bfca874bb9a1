"""Spans of this process: the installed tracer, and how the engine and the web begin them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from makegood.engine.tracing.context import current, incoming, is_valid, using
from makegood.engine.tracing.names import names_of
from makegood.engine.tracing.port import NOTHING, Kind, PassingTracer, Span, Tracer, Value

OFF = PassingTracer()

_tracer: Tracer = OFF
_takes_traceparent = True


def install(tracer: Tracer, *, take_traceparent: bool = True) -> None:
    """From now on this process records its spans by this tracer.

    `take_traceparent`: requests from outside may say to which trace they belong.
    """
    global _tracer, _takes_traceparent
    _tracer, _takes_traceparent = tracer, take_traceparent


def uninstall() -> None:
    """Nothing is recorded any more."""
    install(OFF)


def is_on() -> bool:
    """Whether this process records spans."""
    return _tracer is not OFF


def tracer() -> Tracer:
    """The installed one."""
    return _tracer


def begin(name: str, kind: Kind = "internal", attributes: Mapping[str, Value] = NOTHING) -> Span | None:
    """A child of the span under way, to be ended by the caller; None when this is not traced."""
    parent = current()
    return _tracer.begin(name, kind, parent, attributes=attributes) if parent else None


def begin_call(name: str, request: object) -> Span | None:
    """The span of a request that waits for a function's batch; None when it is not traced."""
    parent = current()
    return _tracer.begin(name, "internal", parent, attributes=names_of(request)) if parent else None


def begin_request(name: str, traceparent: str, attributes: Mapping[str, Value] = NOTHING) -> Span | None:
    """The span of a request from outside: of the trace that its `traceparent` names, or a new one if it is sampled."""
    if _tracer is OFF:
        return None
    given = _takes_traceparent and is_valid(traceparent)
    parent = incoming(traceparent) if given else ""
    wanted = bool(parent) if given else _tracer.samples()
    return _tracer.begin(name, "server", parent, attributes=attributes) if wanted else None


@contextmanager
def span(name: str, kind: Kind = "internal", attributes: Mapping[str, Value] = NOTHING) -> Generator[Span | None]:
    """A child of the span under way, around what is done inside; an exception fails it. None when not traced."""
    begun = begin(name, kind, attributes)
    if begun is None:
        yield None
        return
    try:
        with using(begun.context):
            yield begun
    except BaseException as error:
        begun.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        begun.end()
