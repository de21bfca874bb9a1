"""What waits while a batch runs is the next batch.

One transaction of a function is under way at a time; the calls that arrive meanwhile share the next one. So load
makes batches larger, and the cost of a call falls as load rises. Waiting is bounded by time: a call past its
deadline is dropped before it runs, and a function that sheds refuses calls that would wait too long.
"""

import asyncio
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from makegood.engine import tracing
from makegood.engine.alarm import Alarm
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded

Q = TypeVar("Q")
A = TypeVar("A")

MAX_WAITING = 20_000
"""Most calls that wait for one function; one more is refused."""
SHED_FRACTION = 0.5
"""A shedding function refuses when the expected wait exceeds this part of the time that is left."""
# Bounds of a batch's size, and of its seconds, by which batches are counted.
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SMOOTHING = 0.2
"""Weight of the newest batch in the expected seconds of a batch."""


@dataclass
class Figures:
    """What a function has done since it started; `seconds` is time in its transactions.

    `expired` counts calls whose deadline passed before their answer, run or not; `shed` those refused at once.
    `sizes` and `times` count batches by how many requests they had, by the first bound of `SIZES` that is not less
    (or, last, by none), and by how long they took, likewise of `TIMES` (seconds).
    """

    batches: int = 0
    requests: int = 0
    failed: int = 0
    expired: int = 0
    shed: int = 0
    seconds: float = 0.0
    sizes: list[int] = field(default_factory=lambda: [0] * (len(SIZES) + 1))
    times: list[int] = field(default_factory=lambda: [0] * (len(TIMES) + 1))


@dataclass(slots=True)
class _Call(Generic[Q, A]):
    request: Q
    deadline: Deadline
    answer: "asyncio.Future[A]"
    span: tracing.Span | None


class Batcher(Generic[Q, A]):
    """The queue in front of one function. `run` answers each request of a batch with its answer or its error."""

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]],
        *,
        limit: int,
        sheds: bool = False,
    ) -> None:
        self.name = name
        self.figures = Figures()
        self._run = run
        self._limit = limit
        self._sheds = sheds
        self._waiting: deque[_Call[Q, A]] = deque()
        self._batch: list[_Call[Q, A]] = []
        self._alarm = Alarm(self._end_late)
        self._running: asyncio.Task[None] | None = None
        self._seconds_a_batch = 0.0

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def submit(self, request: Q, deadline: Deadline) -> "asyncio.Future[A]":
        """The answer, or DeadlineExceeded when the deadline passes before it, whether the call is under way or waits.

        Raises Overloaded at once; the future may raise the function's errors.
        """
        self._admit(deadline)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        span = tracing.begin_call(self.name, request) if tracing.current() else None
        if span is not None:
            answer.add_done_callback(partial(_end, span))
        self._waiting.append(_Call(request, deadline, answer, span))
        self._alarm.by(deadline.at)
        if self._running is None:
            self._running = loop.create_task(self._drain(), name=f"batches of {self.name}")
        return answer

    async def idle(self) -> None:
        """Returns when nothing waits or runs."""
        while self._running is not None:
            await asyncio.shield(self._running)

    def _admit(self, deadline: Deadline) -> None:
        waiting = len(self._waiting)
        if not self._sheds and waiting < MAX_WAITING:
            return
        wait = math.ceil(waiting / self._limit) * self._seconds_a_batch
        if waiting >= MAX_WAITING or wait > SHED_FRACTION * deadline.remaining():
            self.figures.shed += 1
            raise Overloaded(f"{self.name} has {waiting} calls waiting; ask again later", max(wait, 0.1))

    async def _drain(self) -> None:
        tracing.enter("")  # the task that began it works for others, too
        try:
            while self._waiting:
                self._batch = self._next_batch()
                if self._batch:
                    await self._answer(self._batch)
        finally:
            self._batch, self._running = [], None

    def _next_batch(self) -> list[_Call[Q, A]]:
        batch: list[_Call[Q, A]] = []
        now = asyncio.get_running_loop().time()
        while self._waiting and len(batch) < self._limit:
            call = self._waiting.popleft()
            if call.answer.done():
                continue
            if call.deadline.at <= now:
                self._expire(call, "did not get to this call in time; not run")
            else:
                batch.append(call)
        return batch

    def _end_late(self, now: float) -> float:
        """Answers the calls whose deadline has passed; says when the next one's does."""
        upcoming = math.inf
        for calls, why in (
            (self._batch, "did not answer in time; it may have taken effect"),
            (self._waiting, "did not get to this call in time; not run"),
        ):
            for call in calls:
                if call.answer.done():
                    continue
                if call.deadline.at <= now:
                    self._expire(call, why)
                else:
                    upcoming = min(upcoming, call.deadline.at)
        return upcoming

    def _expire(self, call: _Call[Q, A], why: str) -> None:
        self.figures.expired += 1
        call.answer.set_exception(DeadlineExceeded(f"{self.name} {why}"))

    async def _answer(self, batch: list[_Call[Q, A]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answers: Sequence[A | Exception] = await self._serve(batch)
            assert len(answers) == len(batch), f"{self.name} has {len(answers)} answers to {len(batch)} calls"
        except Exception as error:
            answers = [error] * len(batch)
        self._note(len(batch), loop.time() - began)
        for call, answer in zip(batch, answers, strict=True):
            if call.answer.done():
                continue
            if isinstance(answer, Exception):
                self.figures.failed += 1
                call.answer.set_exception(answer)
            else:
                call.answer.set_result(answer)

    def _serve(self, batch: list[_Call[Q, A]]) -> Awaitable[Sequence[A | Exception]]:
        requests = [call.request for call in batch]
        traced = [(call.request, call.span.context) for call in batch if call.span is not None]
        return self._serve_traced(requests, traced) if traced else self._run(requests)

    async def _serve_traced(self, requests: list[Q], traced: list[tuple[Q, str]]) -> Sequence[A | Exception]:
        with tracing.serve(f"batch of {self.name}", "internal", traced):
            return await self._run(requests)

    def _note(self, size: int, seconds: float) -> None:
        self.figures.batches += 1
        self.figures.requests += size
        self.figures.seconds += seconds
        self.figures.sizes[bisect_left(SIZES, size)] += 1
        self.figures.times[bisect_left(TIMES, seconds)] += 1
        self._seconds_a_batch += SMOOTHING * (seconds - self._seconds_a_batch)


def _end(span: tracing.Span, answer: "asyncio.Future[Any]") -> None:
    error = asyncio.CancelledError("nobody waits any more") if answer.cancelled() else answer.exception()
    if error is not None:
        span.fail(f"{type(error).__name__}: {error}")
    span.end()
