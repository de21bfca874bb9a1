"""Answers the calls of other processes."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
import grpc.aio

from makegood.engine.contracts import Operation
from makegood.engine.errors import OperationFailed
from makegood.engine.rpc.figures import ServerFigures
from makegood.engine.rpc.port import Handler
from makegood.engine.rpc.triple import frames
from makegood.engine.rpc.triple.answers import Answers, answer_of
from makegood.engine.rpc.triple.calls import Calls, Offered
from makegood.engine.rpc.triple.frames import MAX_FRAME, MAX_MESSAGE, Answer, Ask, NotTaken
from makegood.engine.rpc.triple.names import CALLS, address_of
from makegood.engine.rpc.triple.unary_methods import unary_methods

LAST_WORDS = 1.0
"""Seconds in which callers can read the last answers and leave; makegood's own do so at once."""
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE + MAX_FRAME),
    ("grpc.max_send_message_length", MAX_MESSAGE + MAX_FRAME),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Callers find out by pings who is gone: however many come, nobody is sent away for them.
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.http2.max_ping_strikes", 0),
]

log = logging.getLogger(__name__)


class TripleServer(grpc.GenericRpcHandler):
    """One port for all services of a process."""

    def __init__(self, offers: Mapping[Operation[Any, Any], Handler], figures: ServerFigures | None = None) -> None:
        """Counts what it does in `figures`. Raises ValueError when the `.proto` files and the code differ."""
        self.figures = figures or ServerFigures()
        self._offers = {str(operation): Offered(operation, handler) for operation, handler in offers.items()}
        self._calls = Calls(self.figures)
        self._open: dict[Answers, None] = {}
        self._methods = unary_methods(list(self._offers.values()), self._calls)
        self._methods[CALLS] = grpc.stream_stream_rpc_method_handler(self._stream)
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((self,))

    async def start(self, host: str, port: int) -> int:
        """Listens, on a free port for 0; returns the port. Raises OSError when it is taken."""
        try:
            bound = self._server.add_insecure_port(address_of(host, port))
        except RuntimeError as error:
            raise OSError(f"cannot listen for calls on {host}:{port} ({error}): choose another port") from error
        await self._server.start()
        return bound

    async def stop(self, grace: float) -> None:
        """Refuses what comes from now on, answers what came before, within `grace` seconds."""
        self._calls.stopping = True
        for answers in self._open:
            answers.give(frames.LEAVING)
        await self._calls.finish(grace)
        await self._server.stop(LAST_WORDS)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """What gRPC asks for each call: who answers this method."""
        return self._methods.get(str(handler_call_details.method))

    async def _stream(self, _: object, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        answers = Answers(context, self.figures)
        self._open[answers] = None
        self.figures.streams += 1
        try:
            if self._calls.stopping:
                answers.give(frames.LEAVING)
            while isinstance(frame := await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
                self._take(frame, answers)
            await answers.sent()
        except frames.UNREADABLE as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, f"no frame of questions: {error}")
        except asyncio.CancelledError:
            if not answers.unread:
                raise
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "you do not read your answers")
        finally:
            del self._open[answers]
            self.figures.streams -= 1
            answers.end()

    def _take(self, frame: bytes, answers: Answers) -> None:
        asks = frames.asks.decode(frame)
        offered = [self._offers.get(ask.operation) for ask in asks]
        # Who asks for what nobody offers adds no name to the figures.
        self.figures.carried([one.operation.service for one in offered if one is not None])
        for ask, one in zip(asks, offered, strict=True):
            answers.owe()
            try:
                future = self._begin(ask, one)
            except Exception as error:
                answers.give(_refused(ask, error))
            else:
                future.add_done_callback(partial(_ended, ask.number, answers))

    def _begin(self, ask: Ask, offered: Offered | None) -> "asyncio.Future[Any]":
        request = _decoded(offered.operation, ask) if offered is not None else None
        return self._calls.begin(offered, request, ask.remaining / 1000, ask.trace)


async def _abort(context: "grpc.aio.ServicerContext[bytes, bytes]", status: grpc.StatusCode, why: str) -> None:
    try:
        await context.abort(status, why)
    except grpc.aio.InternalError as error:
        log.debug("a caller has gone before it heard that %s: %r", why, error)


def _ended(number: int, answers: Answers, future: "asyncio.Future[Any]") -> None:
    answers.give(answer_of(number, future))


def _refused(ask: Ask, error: Exception) -> Answer:
    if isinstance(error, NotTaken):
        return frames.not_answered(ask.number, error)
    return frames.failed(ask.number, error)


def _decoded(operation: Operation[Any, Any], ask: Ask) -> Any:
    try:
        return frames.decoder(operation.request).decode(ask.request)
    except frames.UNREADABLE as error:
        raise OperationFailed(f"{ask.operation} cannot be asked this: {error}") from error
