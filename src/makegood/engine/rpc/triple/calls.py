"""The calls of other processes that run here."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, NamedTuple

from makegood.engine import tracing
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import Overloaded
from makegood.engine.rpc.port import Handler
from makegood.engine.rpc.triple.frames import NotTaken

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

    def __init__(self) -> None:
        self._running: dict[asyncio.Future[Any], None] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = False

    def begin(self, offered: Offered | None, request: Any, seconds: float, trace: str) -> "asyncio.Future[Any]":
        """The answer, which somebody has to wait for `seconds`; it comes though nobody waits any more.

        Raises NotTaken when it is not answered here or the process stops, and Overloaded.
        """
        if self.stopping or offered is None:
            raise NotTaken("this process does not answer that, or is stopping: ask another")
        if len(self._running) >= MOST_UNDER_WAY:
            raise Overloaded(f"{len(self._running)} calls are under way here; ask again later")
        future = _begun(offered.handler, request, Deadline.after(min(seconds, LONGEST)), tracing.incoming(trace))
        self._running[future] = None
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

    def _ended(self, future: "asyncio.Future[Any]") -> None:
        del self._running[future]
        if not self._running:
            self._idle.set()
        if not future.cancelled():
            future.exception()  # somebody has looked at it, though its caller may have gone


def _begun(handler: Handler, request: Any, deadline: Deadline, trace: str) -> "asyncio.Future[Any]":
    if not trace:
        return _future(handler(request, deadline))
    with tracing.using(trace):
        return _future(handler(request, deadline))


def _future(answer: Awaitable[Any]) -> "asyncio.Future[Any]":
    """A batch's answer is a future already; what drives an order goes on though its caller has gone."""
    return answer if isinstance(answer, asyncio.Future) else asyncio.ensure_future(answer)
