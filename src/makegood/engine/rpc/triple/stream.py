"""One stream to another process: questions go out in frames, answers come in any order."""

import asyncio
import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import msgspec

from makegood.engine import tracing
from makegood.engine.alarm import Alarm
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, OperationFailed, Overloaded
from makegood.engine.rpc.figures import ClientFigures
from makegood.engine.rpc.triple import frames
from makegood.engine.rpc.triple.channel import CONNECT, Unreachable, reached
from makegood.engine.rpc.triple.frames import MAX_CALLS, MAX_FRAME, MAX_MESSAGE, Answer, Ask, Lost, NotTaken
from makegood.engine.rpc.triple.health import Health
from makegood.engine.rpc.triple.names import CALLS

MOST_ASKED = 20_000
"""Most questions to one process that have no answer yet; one more is refused."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Question:
    operation: Operation[Any, Any]
    body: bytes
    trace: str
    deadline: Deadline
    answer: "asyncio.Future[Any]"
    sent: bool = False


class Stream:
    """Opened by the first question, and again by the first after it broke. For one event loop."""

    def __init__(self, address: str, channel: "grpc.aio.Channel", health: Health, figures: ClientFigures) -> None:
        self._address = address
        self._call = channel.stream_stream(CALLS)
        self._channel = channel
        self._health = health
        self._figures = figures
        self._questions: dict[int, _Question] = {}
        self._waiting: deque[int] = deque()
        self._some = asyncio.Event()
        self._last = 0
        self._alarm = Alarm(self._end_late)
        self._running: asyncio.Task[None] | None = None
        self._parting = False

    @property
    def under_way(self) -> int:
        """Questions without an answer."""
        return len(self._questions)

    def ask(self, operation: Operation[Any, Any], body: bytes, deadline: Deadline) -> "asyncio.Future[Any]":
        """The answer, or DeadlineExceeded, NotTaken, Lost, or what the other side raised.

        Raises Overloaded and NotTaken at once.
        """
        if len(self._questions) >= MOST_ASKED:
            raise Overloaded(f"{len(self._questions)} questions to {self._address} have no answer; ask again later")
        if self._parting:
            raise NotTaken(f"{self._address} stops: ask another process")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._last += 1
        self._questions[self._last] = _Question(operation, body, tracing.outgoing(), deadline, answer)
        self._waiting.append(self._last)
        self._alarm.by(deadline.at)
        self._some.set()
        if self._running is None:
            self._running = loop.create_task(self._run(), name=f"calls to {self._address}")
        return answer

    async def close(self) -> None:
        """Ends it; what is under way is lost."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._lose("the connection is closed")

    async def _run(self) -> None:
        """From its first question until it breaks."""
        tracing.enter("")  # the question that began it is one of many
        why = "it ended the stream"
        try:
            async with asyncio.timeout(CONNECT):
                await reached(self._channel)
            await self._converse()
        except (TimeoutError, Unreachable):
            why = "no connection could be made"
        except (grpc.RpcError, *frames.UNREADABLE) as error:
            why = f"{type(error).__name__}: {getattr(error, 'details', str)() or error}"
        finally:
            self._running = None
            self._parting = False
            self._health.rest(asyncio.get_running_loop().time())
            self._lose(why)

    async def _converse(self) -> None:
        call = self._call()
        writing = asyncio.get_running_loop().create_task(self._write(call), name=f"asking {self._address}")
        self._figures.streams += 1
        try:
            await self._read(call)
        finally:
            self._figures.streams -= 1
            writing.cancel()
            call.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        while True:
            await self._some.wait()
            frame = self._next()
            try:
                if frame:
                    await call.write(frames.encode(frame))
                if self._parting:
                    await call.done_writing()
                    return
            except (grpc.RpcError, asyncio.InvalidStateError) as error:
                log.debug("%s: %r", self._address, error)  # reading tells, too, and then everything is lost
                return

    def _next(self) -> list[Ask]:
        frame: list[Ask] = []
        services: list[str] = []
        size = 0
        now = asyncio.get_running_loop().time()
        while self._waiting and len(frame) < MAX_CALLS and size < MAX_FRAME:
            number = self._waiting.popleft()
            question = self._questions.get(number)
            if question is None or question.answer.done():
                self._questions.pop(number, None)
                continue
            question.sent = True
            size += len(question.body)
            services.append(question.operation.service)
            left = max(1, int((question.deadline.at - now) * 1000))
            frame.append(Ask(number, str(question.operation), left, question.trace, msgspec.Raw(question.body)))
        if not self._waiting:
            self._some.clear()
        self._figures.carried(services)
        return frame

    async def _read(self, call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        while isinstance(frame := await call.read(), bytes):
            self._health.heard(asyncio.get_running_loop().time())
            for answer in frames.answers.decode(frame):
                question = self._questions.pop(answer.number, None)
                if question is None:
                    if answer.number == frames.GOODBYE:
                        self._part()
                elif not question.answer.done():
                    self._settle(question, answer)

    def _part(self) -> None:
        """The process stops: it still answers what it was asked, and what has not been sent goes elsewhere."""
        self._parting = True
        self._health.rest(asyncio.get_running_loop().time())
        waiting, self._waiting = self._waiting, deque()
        for number in waiting:
            question = self._questions.pop(number, None)
            if question is not None and not question.answer.done():
                question.answer.set_exception(NotTaken(f"{self._address} stops: ask another process"))
        self._some.set()

    def _settle(self, question: _Question, answer: Answer) -> None:
        try:
            if answer.kind == frames.ANSWERED:
                question.answer.set_result(frames.decoder(question.operation.answer).decode(answer.body))
                return
            error: EngineError = frames.error_of(answer)
        except frames.UNREADABLE as wrong:
            error = OperationFailed(f"{question.operation} was answered what it cannot be: {wrong}")
        if isinstance(error, NotTaken):
            self._health.rest(asyncio.get_running_loop().time())
        question.answer.set_exception(error)

    def _end_late(self, now: float) -> float:
        """Ends the questions whose deadline has passed; says when the next one's does."""
        upcoming = math.inf
        for number, question in list(self._questions.items()):
            if question.answer.done():
                del self._questions[number]
            elif question.deadline.at <= now:
                del self._questions[number]
                self._silent(question, now)
            else:
                upcoming = min(upcoming, question.deadline.at)
        return upcoming

    def _silent(self, question: _Question, now: float) -> None:
        if question.sent:
            self._health.silent(now)
        why = "it may have taken effect" if question.sent else "it was not sent"
        question.answer.set_exception(
            DeadlineExceeded(f"{self._address} did not answer {question.operation} in time; {why}")
        )

    def _lose(self, why: str) -> None:
        """Ends every question: whether one took effect is not known, unless it was never sent."""
        questions, self._questions = self._questions, {}
        self._waiting.clear()
        self._some.clear()
        for question in questions.values():
            if not question.answer.done():
                message = f"{self._address} was lost while it was asked for {question.operation}: {why}"
                question.answer.set_exception(Lost(message) if question.sent else NotTaken(message))


def encoded(operation: Operation[Any, Any], request: Any) -> bytes:
    """The question as it travels. Raises OperationFailed for one that is too large."""
    body = frames.encode(request)
    if len(body) > MAX_MESSAGE:
        raise OperationFailed(f"{operation} is asked with {len(body)} bytes: {MAX_MESSAGE} is the most, ask in parts")
    return body
