"""The calls of other processes that run here."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, NamedTuple

from makegood.engine import tracing
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import Overloaded
from makegood.engine.rpc.figures import CallFigures, ServerFigures
from makegood.engine.rpc.port import Handler
from makegood.engine.rpc.triple.frames import NotTaken
from makegood.engine.rpc.triple.names import span_of

MOST_UNDER_WAY = 20_000
"""Most calls of other processes that are answered at a time; one more is refused."""
LONGEST = 24 * 3_600.0
"""Seconds that a caller may say it waits."""

log = logging.getLogger(__name__)


class Offered(NamedTuple):
    """An operation that is answered here."""

    operation: Operation[Any, Any]
    handler: Handler


class Calls:
    """Begins them, none while `stopping`. For one event loop."""

    def __init__(self, figures: ServerFigures) -> None:
        self._figures = figures
        self._running: dict[asyncio.Future[Any], tuple[CallFigures, float]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = False

    def begin(self, offered: Offered | None, request: Any, seconds: float, trace: str) -> "asyncio.Future[Any]":
        """The answer, which somebody has to wait for `seconds`; it comes though nobody waits any more.

        Raises NotTaken when it is not answered here or the process stops, and Overloaded.
        """
        if offered is None:
            raise NotTaken("this process does not answer that: ask another")
        figures = self._figures.of(offered.operation)
        seconds = min(seconds, LONGEST)
        deadline = Deadline.after(seconds)
        try:
            self._admit()
            future = _begun(offered, request, deadline, tracing.incoming(trace))
        except Exception as error:
            figures.refused(error)
            raise
        self._running[future] = (figures, deadline.at - seconds)
        self._idle.clear()
        future.add_done_callback(self._ended)
        return future

    async def finish(self, grace: float) -> None:
        """Returns when nothing runs any more, or after `grace` seconds. Set `stopping` first."""
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d calls of other processes still run %s s after the stop", len(self._running), grace)

    def _admit(self) -> None:
        if self.stopping:
            raise NotTaken("this process is stopping: ask another")
        if len(self._running) >= MOST_UNDER_WAY:
            raise Overloaded(f"{len(self._running)} calls are under way here; ask again later")

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        figures, began = self._running.pop(future)
        if not self._running:
            self._idle.set()
        figures.ended(asyncio.get_running_loop().time() - began, _error_of(future))


def _begun(offered: Offered, request: Any, deadline: Deadline, trace: str) -> "asyncio.Future[Any]":
    if not trace:
        return _future(offered.handler(request, deadline))
    name, attributes = span_of(offered.operation)
    span = tracing.tracer().begin(name, "server", trace, attributes=attributes)
    try:
        with tracing.using(span.context):
            future = _future(offered.handler(request, deadline))
    except Exception as error:
        _end(span, error)
        raise
    future.add_done_callback(lambda done: _end(span, _error_of(done)))
    return future


def _end(span: tracing.Span, error: BaseException | None) -> None:
    if error is not None:
        span.fail(f"{type(error).__name__}: {error}")
    span.end()


def _error_of(future: "asyncio.Future[Any]") -> BaseException | None:
    """Why there is no answer. That somebody has looked keeps asyncio calm though the caller may have gone."""
    return asyncio.CancelledError() if future.cancelled() else future.exception()


def _future(answer: Awaitable[Any]) -> "asyncio.Future[Any]":
    """A batch's answer is a future already; what drives an order goes on though its caller has gone."""
    return answer if isinstance(answer, asyncio.Future) else asyncio.ensure_future(answer)
