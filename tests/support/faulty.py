"""Databases and brokers that fail on command: real ports over real ones, which lose what a network can lose."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from makegood.engine.broker.port import Broker, Delivery, Groups, Message, Subscription
from makegood.engine.database.port import Database, Work
from makegood.engine.errors import BrokerUnavailable, DatabaseError, DatabaseUnavailable, DuplicateKey
from makegood.engine.world import World

T = TypeVar("T")


class Fault(Enum):
    """What goes wrong with one use."""

    NONE = "nothing"
    REFUSED = "it fails before anything is done"
    ROLLED_BACK = "everything is done, but the commit fails"
    UNANSWERED = "it takes effect, but the answer is lost"
    DUPLICATE = "somebody else inserts the row first"


class Faults:
    """The faults to come: those put into `coming`, one for each use, then chance at `rate`; all while `away`."""

    def __init__(self, world: World, kinds: Sequence[Fault]) -> None:
        self.coming: deque[Fault] = deque()
        self.rate = 0.0
        self.away = False
        self.happened = 0
        self._world = world
        self._kinds = kinds

    def next(self) -> Fault:
        """The fault of this use."""
        fault = Fault.NONE
        if self.away:
            fault = Fault.REFUSED
        elif self.coming:
            fault = self.coming.popleft()
        elif self._world.jitter() < self.rate:
            fault = self._kinds[int(self._world.jitter() * len(self._kinds))]
        self.happened += fault is not Fault.NONE
        return fault


class MortalExecutor:
    """Implements `Executor` in line, until `die`: then nothing that is under way, or comes later, has any effect."""

    def __init__(self) -> None:
        self._dead = False
        self._never = asyncio.Event()

    def die(self) -> None:
        """From now on whoever uses it waits for ever, as a process that was killed never goes on."""
        self._dead = True

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        if self._dead:
            await self._never.wait()
        return work()

    def close(self) -> None:
        """Nothing to wait for."""


class FaultyDatabase:
    """Implements `Database` over another one. `delay` is how long, in seconds, each half of a write takes."""

    def __init__(self, inner: Database, world: World) -> None:
        self.inner = inner
        self.ids = inner.ids
        self.faults = Faults(world, [Fault.REFUSED, Fault.ROLLED_BACK, Fault.UNANSWERED])
        self.delay = 0.0
        self.writes = 0

    async def write(self, work: Work[T]) -> T:
        """As the inner database, unless there is a fault."""
        fault = self.faults.next()
        self.inner.ids = self.ids
        await asyncio.sleep(self.delay)
        if fault is Fault.REFUSED:
            raise DatabaseUnavailable("on command, before the transaction")
        answer = await self.inner.write(self._work(work, fault))
        self.writes += 1
        await asyncio.sleep(self.delay)
        if fault is Fault.UNANSWERED:
            raise DatabaseUnavailable("on command, after the commit")
        return answer

    async def read(self, work: Work[T]) -> T:
        """As the inner database, unless there is a fault."""
        if self.faults.next() is Fault.REFUSED:
            raise DatabaseUnavailable("on command, before the snapshot")
        return await self.inner.read(work)

    async def survey(self, work: Work[T]) -> T:
        """As the inner database."""
        return await self.inner.survey(work)

    def close(self) -> None:
        """Closes the inner database."""
        self.inner.close()

    def _work(self, work: Work[T], fault: Fault) -> Work[T]:
        def then_fail(tx: Any) -> T:
            answer = work(tx)
            if fault is Fault.ROLLED_BACK:
                raise DatabaseError("on command, at the commit")
            if fault is Fault.DUPLICATE:
                raise DuplicateKey("on command")
            return answer

        return then_fail


class FaultyBroker:
    """Implements `Broker` over another one; `refuses` says which messages it never takes, `closed` lets none join.

    `delay` is how long publishing takes, in seconds.
    """

    def __init__(self, inner: Broker, world: World) -> None:
        self.inner = inner
        self.faults = Faults(world, [Fault.REFUSED, Fault.UNANSWERED])
        self.published: list[Message] = []
        self.delivered = 0
        self.delay = 0.0
        self.closed = False
        self.refuses: Callable[[Message], bool] = lambda _: False

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the inner broker, unless there is a fault; `published` has what was stored."""
        fault = self.faults.next()
        await asyncio.sleep(self.delay)
        if fault is Fault.REFUSED:
            raise BrokerUnavailable("on command, before anything was stored")
        if any(self.refuses(message) for message in messages):
            raise ValueError("on command: change this message")
        await self.inner.publish(messages)
        self.published.extend(messages)
        if fault is Fault.UNANSWERED:
            raise BrokerUnavailable("on command, after all was stored")

    async def declare(self, groups: Groups) -> None:
        """As the inner broker, unless it is away."""
        if self.faults.away or self.closed:
            raise BrokerUnavailable("on command")
        await self.inner.declare(groups)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> Subscription:
        """As the inner broker, unless it is away."""
        if self.faults.away or self.closed:
            raise BrokerUnavailable("on command")
        return FaultySubscription(await self.inner.subscribe(group, topics, ordered=ordered), self)

    async def close(self) -> None:
        """Closes the inner broker."""
        await self.inner.close()


class FaultySubscription:
    """Implements `Subscription` over another one."""

    def __init__(self, inner: Subscription, broker: FaultyBroker) -> None:
        self._inner = inner
        self._broker = broker

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """As the inner one, unless the broker is away."""
        deliveries = await self._inner.receive(limit, wait)
        if self._broker.faults.away:
            raise BrokerUnavailable("on command")
        self._broker.delivered += len(deliveries)
        return deliveries

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """As the inner one, unless there is a fault."""
        fault = self._broker.faults.next()
        if fault is Fault.REFUSED:
            raise BrokerUnavailable("on command, before the acknowledgement")
        await self._inner.acknowledge(deliveries)
        if fault is Fault.UNANSWERED:
            raise BrokerUnavailable("on command, after the acknowledgement")

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """As the inner one."""
        await self._inner.defer(deliveries, delay)

    async def close(self) -> None:
        """As the inner one."""
        await self._inner.close()
