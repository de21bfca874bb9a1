"""The shop's own broker in the simulated world, and an unreliable way to it.

The broker is the embedded one, with its store in memory: what was stored survives its crash. Between it and a consumer
messages are late, doubled and out of order, but those of a sequence are only doubled.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import apsw

from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Broker, Delivery, Groups, Message, Subscription
from makegood.engine.errors import BrokerUnavailable, DeadlineExceeded
from makegood.simulation.faults import Fault
from makegood.simulation.life import Life, Machine, Moment
from makegood.simulation.network import INSIDE, Network, Unreachable, Work
from makegood.simulation.world import World

T = TypeVar("T")

TIMEOUT = 3.0
"""Seconds in which the broker answers, apart from what a receive may wait."""
LATE = 12.0
"""Seconds by which a message is late at most."""
KEPT = 64
"""Most deliveries that are remembered, to come again."""


class MortalExecutor:
    """Implements `Executor` in line; the process may die right before or after any use."""

    def __init__(self, life: Life) -> None:
        self._life = life

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised."""
        self._life.check()
        if self._life.reaches(Moment.BEFORE_COMMIT):
            raise self._life.dies(Moment.BEFORE_COMMIT)
        answer = work()
        if self._life.reaches(Moment.AFTER_COMMIT):
            raise self._life.dies(Moment.AFTER_COMMIT)
        return answer

    def close(self) -> None:
        """Nothing to wait for."""


class FailingExecutor(MortalExecutor):
    """The same over a disk that fails now and then: before the work is done, or after."""

    def __init__(self, life: Life, world: World) -> None:
        super().__init__(life)
        self._world = world

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raised; or apsw's error."""
        faults = self._world.faults
        fails = faults.happens(Fault.STORE_FAILS, "broker")
        after = fails and faults.size(Fault.STORE_FAILS) < 0.5
        if fails and not after:
            raise apsw.FullError("database or disk is full")
        answer = await super().run(work)
        if after:
            raise apsw.IOError("disk I/O error")
        return answer


def open_broker(store: apsw.Connection, life: Life, world: World) -> EmbeddedBroker:
    """The broker over what is stored, in this life."""
    return EmbeddedBroker.open(store, life, FailingExecutor(life, world))


class RemoteBroker:
    """Implements `Broker` for a process on another machine."""

    def __init__(self, network: Network, life: Life, machine: Machine, world: World) -> None:
        self._network, self._life, self._machine, self._world = network, life, machine, world

    async def publish(self, messages: Sequence[Message]) -> None:
        """Has the broker store them; raises BrokerUnavailable when nobody knows."""
        await self.ask("publish", lambda broker: broker.publish(messages), TIMEOUT)

    async def declare(self, groups: Groups) -> None:
        """Has the broker know these groups; raises BrokerUnavailable."""
        await self.ask("declare", lambda broker: broker.declare(groups), TIMEOUT)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> "RemoteSubscription":
        """Joins a group. The broker notices when this process has died."""

        async def join(broker: EmbeddedBroker) -> tuple[EmbeddedBroker, Subscription]:
            subscription = await broker.subscribe(group, topics, ordered=ordered)
            # Known to the broker as this connection, whatever becomes of the answer.
            self._life.on_death(lambda: self._leave(broker, subscription))
            return broker, subscription

        broker, subscription = await self.ask("subscribe", join, TIMEOUT)
        return RemoteSubscription(self, broker, subscription)

    async def close(self) -> None:
        """The broker goes on."""

    async def ask(self, what: str, work: Work[T], seconds: float) -> T:
        """What the broker answers. Raises BrokerUnavailable."""
        until = self._world.loop.time() + seconds
        try:
            return await self._network.call(self._life, str(self._life), self._machine, INSIDE, what, work, until)
        except (Unreachable, DeadlineExceeded) as error:
            raise BrokerUnavailable(str(error)) from error

    def _leave(self, broker: EmbeddedBroker, subscription: Subscription) -> None:
        life = self._machine.life
        if life is not None and self._machine.node is broker:
            life.spawn(subscription.close(), "a consumer has died")


class RemoteSubscription:
    """Implements `Subscription` for a process on another machine; it ends with the life of the broker it is of."""

    def __init__(self, way: RemoteBroker, broker: EmbeddedBroker, there: Subscription) -> None:
        self._way, self._broker, self._there = way, broker, there

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """A long poll."""
        return await self._ask("receive", lambda: self._there.receive(limit, wait), wait + TIMEOUT)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tells the broker."""
        await self._ask("acknowledge", lambda: self._there.acknowledge(deliveries), TIMEOUT)

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """Tells the broker."""
        await self._ask("defer", lambda: self._there.defer(deliveries, delay), TIMEOUT)

    async def close(self) -> None:
        """Tells the broker."""
        await self._ask("leave", self._there.close, TIMEOUT)

    async def _ask(self, what: str, work: Callable[[], Any], seconds: float) -> Any:
        async def there(broker: Any) -> Any:
            if broker is not self._broker:
                raise BrokerUnavailable("the broker has started again: subscribe again")
            return await work()

        return await self._way.ask(what, there, seconds)


class UnreliableBroker:
    """Implements `Broker` over another one, for one process."""

    def __init__(self, inner: Broker, life: Life, world: World) -> None:
        self._inner, self._life, self._world = inner, life, world

    async def publish(self, messages: Sequence[Message]) -> None:
        """As the inner broker, unless there is a fault."""
        self._life.check()
        if not messages:
            return
        where = f"{messages[0].topic} {messages[0].tag} of {self._life}"
        faults = self._world.faults
        if faults.happens(Fault.PUBLISH_REFUSED, where):
            raise BrokerUnavailable("nothing was stored")
        await self._inner.publish(messages)
        self._world.trace.note(str(self._life), "publishes", f"{len(messages)} messages")
        for message in messages:
            self._world.trace.tell(str(self._life), "publishes", lambda message=message: _text(message))
        if self._life.reaches(Moment.AFTER_PUBLISH):
            raise self._life.dies(Moment.AFTER_PUBLISH)
        if faults.happens(Fault.PUBLISH_UNANSWERED, where):
            raise BrokerUnavailable("the answer was lost")

    async def declare(self, groups: Groups) -> None:
        """As the inner broker."""
        self._life.check()
        await self._inner.declare(groups)

    async def subscribe(
        self, group: str, topics: Mapping[str, frozenset[str]], *, ordered: bool = False
    ) -> Subscription:
        """As the inner broker."""
        self._life.check()
        inner = await self._inner.subscribe(group, topics, ordered=ordered)
        return UnreliableSubscription(inner, group, self._life, self._world)

    async def close(self) -> None:
        """As the inner broker."""
        await self._inner.close()


class UnreliableSubscription:
    """Implements `Subscription` over another one."""

    def __init__(self, inner: Subscription, group: str, life: Life, world: World) -> None:
        self._inner, self._group, self._life, self._world = inner, group, life, world
        self._again: list[Delivery] = []
        self._where = f"{group} on {life}"

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        """What the inner one gives, but for those that are late, with some that came before, in any order."""
        self._life.check()
        if self._again:
            wait = min(wait, 0.5)
        deliveries = await self._inner.receive(limit, wait)
        self._life.check()
        faults = self._world.faults
        in_time: list[Delivery] = []
        for delivery in deliveries:
            if not delivery.message.sequence and faults.happens(Fault.DELIVERY_LATE, self._where):
                await self._inner.defer([delivery], LATE * faults.size(Fault.DELIVERY_LATE) ** 2)
            else:
                in_time.append(delivery)
                if len(self._again) < KEPT and faults.happens(Fault.DELIVERY_TWICE, self._where):
                    self._again.append(delivery)
        if self._again and self._world.chance.random() < 0.5:
            in_time.append(self._again.pop(0))
        shuffled = len(in_time) > 1 and not any(delivery.message.sequence for delivery in in_time)
        if shuffled and faults.happens(Fault.DELIVERY_SHUFFLED, self._where):
            self._world.chance.shuffle(in_time)
        self._note("receives", in_time)
        if in_time and self._life.reaches(Moment.AFTER_RECEIVE):
            raise self._life.dies(Moment.AFTER_RECEIVE)
        return in_time

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """As the inner one, unless it is lost."""
        self._life.check()
        if self._life.reaches(Moment.BEFORE_ACKNOWLEDGEMENT):
            raise self._life.dies(Moment.BEFORE_ACKNOWLEDGEMENT)
        if self._world.faults.happens(Fault.ACKNOWLEDGEMENT_LOST, self._where):
            return
        await self._inner.acknowledge(deliveries)

    async def defer(self, deliveries: Sequence[Delivery], delay: float) -> None:
        """As the inner one."""
        await self._inner.defer(deliveries, delay)

    async def close(self) -> None:
        """As the inner one."""
        self._life.check()
        await self._inner.close()

    def _note(self, what: str, deliveries: list[Delivery]) -> None:
        if deliveries:
            self._world.trace.note(self._where, what, f"{len(deliveries)} messages")
        for delivery in deliveries:
            self._world.trace.tell(self._where, what, lambda delivery=delivery: _text(delivery.message))


def _text(message: Message) -> str:
    return f"{message.topic} {message.tag} {message.message_id} {message.body.decode(errors='replace')}"
