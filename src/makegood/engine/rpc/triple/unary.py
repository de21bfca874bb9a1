"""Asks a process that does not speak makegood's frames, such as a provider in Java: in protobuf, a question a call."""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import grpc
import grpc.aio

from makegood.engine import tracing
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, OperationFailed, Overloaded
from makegood.engine.rpc.protobuf.catalogue import Messages, foreign_messages
from makegood.engine.rpc.protobuf.codec import Malformed
from makegood.engine.rpc.triple.channel import CONNECT, Unreachable, reached
from makegood.engine.rpc.triple.frames import MAX_MESSAGE, Lost, NotTaken
from makegood.engine.rpc.triple.health import Health
from makegood.engine.rpc.triple.names import PUSHBACK, method_of

MOST_ASKED = 2_000
"""Most questions to one such process that have no answer yet; one more is refused."""
LONGEST_PUSHBACK = 60.0
"""Seconds, the most that counts of an overloaded process's wish to be asked later."""


class Unary:
    """For one event loop."""

    def __init__(self, address: str, channel: "grpc.aio.Channel", health: Health) -> None:
        self.under_way = 0
        self._address = address
        self._channel = channel
        self._health = health
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def ask(self, operation: Operation[Any, Any], body: bytes, deadline: Deadline) -> Any:
        """The answer. Raises DeadlineExceeded, NotTaken, Lost, Overloaded, or OperationFailed."""
        if self.under_way >= MOST_ASKED:
            raise Overloaded(f"{self.under_way} questions to {self._address} have no answer; ask again later")
        self.under_way += 1
        try:
            await self._connect(operation, deadline)
            return _read(operation, await self._called(operation, body, deadline))
        finally:
            self.under_way -= 1

    async def _connect(self, operation: Operation[Any, Any], deadline: Deadline) -> None:
        try:
            async with asyncio.timeout(min(CONNECT, deadline.remaining())):
                await reached(self._channel)
        except (TimeoutError, Unreachable):
            self._health.rest(asyncio.get_running_loop().time())
            raise NotTaken(f"{self._address} was not asked for {operation}: no connection could be made") from None

    async def _called(self, operation: Operation[Any, Any], body: bytes, deadline: Deadline) -> bytes:
        method = method_of(operation)
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(method)
        metadata = (("traceparent", trace),) if (trace := tracing.outgoing()) else None
        try:
            answer = await call(body, timeout=deadline.remaining(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._failure(operation, error) from error
        self._health.heard(asyncio.get_running_loop().time())
        return answer

    def _failure(self, operation: Operation[Any, Any], error: "grpc.aio.AioRpcError") -> EngineError:
        now = asyncio.get_running_loop().time()
        what = f"{self._address} answered {operation} with {error.code().name}: {error.details()}"
        match error.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                self._health.silent(now)
                return DeadlineExceeded(f"{self._address} did not answer {operation} in time; it may have taken effect")
            case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
                self._health.rest(now)
                return Lost(what)
            case grpc.StatusCode.UNIMPLEMENTED:
                self._health.rest(now)
                return NotTaken(what)
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return Overloaded(what, _retry_after(error))
            case _:
                return OperationFailed(what)


def _retry_after(error: "grpc.aio.AioRpcError") -> float:
    for name, value in error.trailing_metadata() or ():
        if name == PUSHBACK and str(value).isdecimal():
            return min(int(value) / 1000, LONGEST_PUSHBACK)
    return 1.0


def protobuf_encoded(operation: Operation[Any, Any], request: Any) -> bytes:
    """The question as it travels. Raises OperationFailed for one that protobuf cannot hold, or that is too large."""
    try:
        body = _messages(operation).request.encode(request)
    except ValueError as error:
        raise OperationFailed(f"{operation} cannot be asked this: {error}") from error
    if len(body) > MAX_MESSAGE:
        raise OperationFailed(f"{operation} is asked with {len(body)} bytes: {MAX_MESSAGE} is the most, ask in parts")
    return body


def _read(operation: Operation[Any, Any], answer: bytes) -> Any:
    try:
        return _messages(operation).answer.decode(answer)
    except Malformed as error:
        raise OperationFailed(f"{operation} was answered what it cannot be: {error}") from error


_messages: Callable[[Operation[Any, Any]], Messages] = lru_cache(maxsize=1024)(foreign_messages)
