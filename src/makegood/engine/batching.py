"""What waits while a batch runs is the next batch.

One transaction of a function is under way at a time; the calls that arrive meanwhile share the next one. So load
makes batches larger, and the cost of a call falls as load rises. Waiting is bounded by time: a call past its
deadline is dropped before it runs, and a function that sheds refuses calls that would wait too long.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from makegood.engine.alarm import Alarm
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, Overloaded

Q = TypeVar("Q")
A = TypeVar("A")

MAX_WAITING = 20_000
"""Most calls that wait for one function; one more is refused."""
SHED_FRACTION = 0.5
"""A shedding function refuses when the expected wait exceeds this part of the time that is left."""
SMOOTHING = 0.2
"""Weight of the newest batch in the expected seconds of a batch."""


@dataclass
class Figures:
    """What a function has done since it started; `seconds` is time in its transactions.

    `expired` counts calls whose deadline passed before their answer, run or not; `shed` those refused at once.
    """

    batches: int = 0
    requests: int = 0
    failed: int = 0
    expired: int = 0
    shed: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Call(Generic[Q, A]):
    request: Q
    deadline: Deadline
    answer: "asyncio.Future[A]"


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
        self._waiting.append(_Call(request, deadline, answer))
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
            answers: Sequence[A | Exception] = await self._run([call.request for call in batch])
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

    def _note(self, size: int, seconds: float) -> None:
        self.figures.batches += 1
        self.figures.requests += size
        self.figures.seconds += seconds
        self._seconds_a_batch += SMOOTHING * (seconds - self._seconds_a_batch)
