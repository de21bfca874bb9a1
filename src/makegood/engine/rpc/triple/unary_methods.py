"""Operations as other languages call them: `/makegood.Stock/Deduct` with protobuf, a gRPC call each."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import grpc
import grpc.aio

from makegood.engine.contracts import Operation
from makegood.engine.errors import DatabaseError, DeadlineExceeded, EngineError, Overloaded, ServiceUnavailable
from makegood.engine.rpc.protobuf.catalogue import Messages, foreign_messages, shop_catalogue
from makegood.engine.rpc.protobuf.codec import Malformed
from makegood.engine.rpc.triple.calls import Calls, Offered
from makegood.engine.rpc.triple.names import PUSHBACK, is_foreign, method_of

DEFAULT_SECONDS, LONGEST_SECONDS = 5.0, 60.0
"""How long a caller waits that does not say so, and the most that counts of what it says."""
MAX_DETAILS = 500
"""Characters of a status's text: it travels as a header."""

log = logging.getLogger(__name__)


def unary_methods(offers: Sequence[Offered], calls: Calls) -> dict[str, Any]:
    """By its path, each operation that other languages know. Raises ValueError when files and code differ."""
    methods: dict[str, Any] = {}
    for offered in offers:
        messages = _messages_of(offered.operation)
        if messages is not None:
            answer = UnaryMethod(offered, messages, calls).answer
            methods[method_of(offered.operation)] = grpc.unary_unary_rpc_method_handler(answer)
    return methods


class UnaryMethod:
    """One operation."""

    def __init__(self, offered: Offered, messages: Messages, calls: Calls) -> None:
        self._offered = offered
        self._messages = messages
        self._calls = calls

    async def answer(self, body: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        """The answer's message; an error ends the call with its status."""
        try:
            request = self._messages.request.decode(body)
            future = self._calls.begin(self._offered, request, _seconds(context), _trace(context))
            return self._messages.answer.encode(await asyncio.shield(future))
        except Malformed as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:MAX_DETAILS])
        except Exception as error:
            await _fail(context, error)


async def _fail(context: "grpc.aio.ServicerContext[bytes, bytes]", error: Exception) -> NoReturn:
    if not isinstance(error, EngineError):
        log.error("a call of another language met a bug", exc_info=error)
    trailing = ((PUSHBACK, str(int(error.retry_after * 1000))),) if isinstance(error, Overloaded) else ()
    await context.abort(_status_of(error), str(error)[:MAX_DETAILS], trailing)


def _status_of(error: Exception) -> grpc.StatusCode:
    match error:
        case Overloaded():
            return grpc.StatusCode.RESOURCE_EXHAUSTED
        case DeadlineExceeded():
            return grpc.StatusCode.DEADLINE_EXCEEDED
        case ServiceUnavailable() | DatabaseError():
            return grpc.StatusCode.UNAVAILABLE
        case _:
            return grpc.StatusCode.INTERNAL


def _seconds(context: "grpc.aio.ServicerContext[bytes, bytes]") -> float:
    remaining = cast("float | None", context.time_remaining())  # its annotation forgets the None that its text states
    return DEFAULT_SECONDS if remaining is None else min(remaining, LONGEST_SECONDS)


def _trace(context: "grpc.aio.ServicerContext[bytes, bytes]") -> str:
    """Its `traceparent`; what else a caller's framework sends along is left out of account."""
    for name, value in context.invocation_metadata() or ():
        if name == "traceparent":
            return str(value)
    return ""


def _messages_of(operation: Operation[Any, Any]) -> Messages | None:
    return foreign_messages(operation) if is_foreign(operation) else shop_catalogue().messages(operation)
