"""Asking another service until it answers: a lost reply is no answer, and never taken for a refusal."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DatabaseError, DeadlineExceeded, Overloaded, ServiceUnavailable
from makegood.engine.service import Engine
from makegood.shop.orders.contracts import FIND, FindOrder, Order

Q = TypeVar("Q")
A = TypeVar("A")

LOST = (DeadlineExceeded, ServiceUnavailable, Overloaded, DatabaseError)
"""After these nobody knows whether the question took effect; asking again is harmless."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between attempts, doubling."""

FIRST_LOOK, LONGEST_LOOK = 0.02, 0.4
"""Seconds between looks at an order that somebody else settles, doubling."""
ANSWER_MARGIN = 0.05
"""Seconds before the caller gives up by which it is answered that nothing is settled yet."""


def earlier(one: Deadline, other: Deadline) -> Deadline:
    """The deadline that comes first."""
    return one if one.at <= other.at else other


def in_time_for(caller: Deadline) -> Deadline:
    """When to stop, so that the answer still reaches the caller."""
    return Deadline(caller.at - ANSWER_MARGIN)


class Asker:
    """Asks again and again, each attempt for at most `attempt_timeout` seconds, all of them before `until`."""

    def __init__(self, engine: Engine, until: Deadline, attempt_timeout: float) -> None:
        self._engine = engine
        self.until = until
        self._attempt_timeout = attempt_timeout

    async def ask(
        self, operation: Operation[Q, A], question: Q, *, pointless: Callable[[], bool] = lambda: False
    ) -> A | None:
        """The answer; None when none came in time, or when the next attempt is `pointless`."""
        pause = FIRST_PAUSE
        while not self.until.passed:
            attempt = earlier(self.until, Deadline.after(self._attempt_timeout))
            try:
                return await self._engine.call(operation, question, attempt)
            except LOST:
                await self._rest(pause)
            if pointless():
                break
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    async def watch(self, order: Order, settled: Callable[[Order], bool]) -> Order:
        """The order once it is settled, or as it is when time is over."""
        pause = FIRST_LOOK
        while not settled(order) and not self.until.passed:
            await self._rest(pause)
            found = await self.ask(FIND, FindOrder(order.order_id))
            order = order if found is None or found.order is None else found.order
            pause = min(2 * pause, LONGEST_LOOK)
        return order

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, self.until.remaining()))
