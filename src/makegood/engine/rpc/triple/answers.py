"""What goes back on one stream, in frames: what gathers while a frame is written is the next."""

import asyncio
import logging
from collections import deque

import grpc.aio
import msgspec

from makegood.engine.errors import OperationFailed
from makegood.engine.rpc.figures import ServerFigures
from makegood.engine.rpc.triple import frames
from makegood.engine.rpc.triple.frames import GOODBYE, MAX_CALLS, MAX_FRAME, MAX_MESSAGE, Answer, Lost

MOST_WAITING = 40_000
"""Most answers that one caller leaves unread."""
MOST_BYTES = 2 * MAX_MESSAGE
"""Most bytes of them."""

log = logging.getLogger(__name__)


class Answers:
    """Belongs to the task that reads the stream."""

    def __init__(self, context: "grpc.aio.ServicerContext[bytes, bytes]", figures: ServerFigures) -> None:
        self._figures = figures
        self._context: grpc.aio.ServicerContext[bytes, bytes] | None = context
        self._reader = asyncio.current_task()
        self._waiting: deque[Answer] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._owed = 0
        self._last = False
        self.unread = False
        """Whether the caller was cut off: it asks and does not read."""
        self._writing = asyncio.get_running_loop().create_task(self._write(context), name="answers to another process")

    def owe(self) -> None:
        """An answer to a question will be given."""
        self._owed += 1

    def give(self, answer: Answer) -> None:
        """Sends it soon, if anybody is there."""
        self._owed -= answer.number != GOODBYE
        if self._context is None:
            return
        self._waiting.append(answer)
        self._bytes += len(answer.body)
        self._some.set()
        if len(self._waiting) > MOST_WAITING or self._bytes > MOST_BYTES:
            self._cut_off()

    async def sent(self) -> None:
        """Returns when every answer that is owed has been sent, or nobody is there."""
        self._last = True
        self._some.set()
        await asyncio.gather(self._writing, return_exceptions=True)

    def end(self) -> None:
        """Sends nothing more. Calls that still run know this object, so it lets go of the stream and of what waits."""
        self._context = None
        self._waiting.clear()
        self._writing.cancel()

    def _cut_off(self) -> None:
        log.warning("a caller does not read its answers: it is cut off")
        self.unread = True
        self.end()
        if self._reader is not None:
            self._reader.cancel()

    async def _write(self, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        while self._owed or self._waiting or not self._last:
            await self._some.wait()
            frame = self._next()
            try:
                if frame:
                    self._figures.answer_frames += 1
                    self._figures.answers += len(frame)
                    await context.write(frames.encode(frame))
            except Exception as error:
                log.debug("a caller has gone: %r", error)
                self.end()

    def _next(self) -> list[Answer]:
        frame: list[Answer] = []
        size = 0
        while self._waiting and len(frame) < MAX_CALLS and size < MAX_FRAME:
            frame.append(self._waiting.popleft())
            size += len(frame[-1].body)
        self._bytes -= size
        if not self._waiting:
            self._some.clear()
        return frame


def answer_of(number: int, future: "asyncio.Future[object]") -> Answer:
    """How what came of a call travels."""
    if future.cancelled():
        return frames.not_answered(number, Lost("the process stopped while it was asked"))
    error = future.exception()
    if error is not None:
        return frames.failed(number, error)
    try:
        body = frames.encode(future.result())
    except (TypeError, ValueError, OverflowError) as wrong:
        return frames.failed(number, OperationFailed(f"the answer cannot be sent: {wrong}"))
    if len(body) > MAX_MESSAGE:
        return frames.failed(number, OperationFailed(f"the answer has {len(body)} bytes: ask for less at a time"))
    return Answer(number, frames.ANSWERED, msgspec.Raw(body))
