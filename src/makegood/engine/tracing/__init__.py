"""Traces follow a request through HTTP, calls, batches, messages and tasks.

The context of a trace is W3C's `traceparent`, in a context variable; only what is sampled has one, so that a request
that is not traced costs a look at that variable. What is recorded is the installed tracer's business: without one
nothing is, and a context that comes from elsewhere is passed on all the same.
"""

from makegood.engine.tracing.batches import batch, marks, serve
from makegood.engine.tracing.context import LENGTH, current, enter, incoming, outgoing, trace_id_of, using
from makegood.engine.tracing.names import NUMBER, about, names_of, subject_of
from makegood.engine.tracing.port import Kind, Link, Span, Tracer, Value
from makegood.engine.tracing.spans import begin, begin_call, begin_request, install, is_on, span, tracer, uninstall

__all__ = [
    "LENGTH",
    "NUMBER",
    "Kind",
    "Link",
    "Span",
    "Tracer",
    "Value",
    "about",
    "batch",
    "begin",
    "begin_call",
    "begin_request",
    "current",
    "enter",
    "incoming",
    "install",
    "is_on",
    "marks",
    "names_of",
    "outgoing",
    "serve",
    "span",
    "subject_of",
    "trace_id_of",
    "tracer",
    "uninstall",
    "using",
]
