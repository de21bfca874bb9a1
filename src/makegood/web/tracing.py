"""The span of a request: from its headers to the headers of its answer, which tell the trace's id."""

from makegood.engine import tracing
from makegood.web.asgi import Header, Scope, header

API = "/api/"
"""Pages and health are not traced."""
TRACE_ID = b"x-trace-id"
SERVER_ERROR = 500


class RequestTrace:
    """A traced request; what its task does belongs to it until the answer begins."""

    def __init__(self, method: str, span: tracing.Span) -> None:
        self._method = method
        self._span = span
        self.header: Header = (TRACE_ID, tracing.trace_id_of(span.context).encode())
        """By which a person finds the trace."""
        tracing.enter(span.context)

    def answered(self, status: int, route: str | None = None) -> None:
        """It is over; `route` when it became known only now."""
        if route is not None:
            self._span.rename(f"{self._method} {route}")
            self._span.note("http.route", route)
        self._span.note("http.response.status_code", status)
        if status >= SERVER_ERROR:
            self._span.fail(f"answered {status}")
        self._span.end()
        tracing.enter("")


def begin_trace(scope: Scope, route: str) -> RequestTrace | None:
    """The trace of a request that is sampled, or whose caller says so; None for any other."""
    if not scope["path"].startswith(API):
        return None
    given = header(scope["headers"], b"traceparent") or b""
    method: str = scope["method"]
    attributes = {"http.request.method": method, "http.route": route}
    span = tracing.begin_request(f"{method} {route}", given.decode("latin-1"), attributes)
    return None if span is None else RequestTrace(method, span)
