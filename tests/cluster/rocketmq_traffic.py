"""Messages that are published and consumed all the time, whatever happens to the broker, and counted."""

import asyncio
import time

from makegood.engine.broker.port import Broker, Message
from makegood.engine.errors import BrokerUnavailable

BATCH = 20
"""Messages published at once."""
PACE = 0.02
"""Seconds between batches."""


class Consumer:
    """A consumer of one group that goes on after every failure, and remembers what it has taken.

    What is taken counts, as in a shop: an acknowledgement without an answer may have been heard.
    """

    def __init__(self, broker: Broker, topic: str, group: str) -> None:
        self._broker, self._topic, self._group = broker, topic, group
        self.taken: set[str] = set()
        self.received_at = 0.0
        self.deliveries = self.failures = 0
        self.failure: BrokerUnavailable | None = None
        self._task = asyncio.create_task(self._run())

    async def hears(self, messages: set[str], seconds: float) -> None:
        """Waits until all of these are taken."""
        until = time.monotonic() + seconds
        while messages - self.taken:
            assert time.monotonic() < until, f"{len(messages - self.taken)} messages did not come in {seconds} s"
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                subscription = await self._broker.subscribe(self._group, {self._topic: frozenset()})
                try:
                    while True:
                        deliveries = await subscription.receive(64, 20.0)
                        if deliveries:
                            self.received_at = time.monotonic()
                        self.deliveries += len(deliveries)
                        self.taken |= {delivery.message.message_id for delivery in deliveries}
                        await subscription.acknowledge(deliveries)
                finally:
                    await subscription.close()
            except BrokerUnavailable as failure:
                self.failures, self.failure = self.failures + 1, failure
                await asyncio.sleep(0.2)


class Traffic:
    """A publisher and two consumers of one group; each goes on after every failure."""

    def __init__(self, broker: Broker, topic: str, group: str) -> None:
        self._broker, self._topic, self._group = broker, topic, group
        self.published: set[str] = set()
        self.published_at = 0.0
        self.failures = 0
        self.failure: BrokerUnavailable | None = None
        self._consumers = [Consumer(broker, topic, group) for _ in range(2)]
        self._publisher = asyncio.create_task(self._publish())

    @property
    def taken(self) -> set[str]:
        """What has reached either consumer."""
        return self._consumers[0].taken | self._consumers[1].taken

    async def flows(self, since: float, seconds: float) -> float:
        """Waits until messages have been both published and received after `since`; the seconds that took."""
        while min(self.published_at, max(one.received_at for one in self._consumers)) <= since:
            assert time.monotonic() - since < seconds, f"no message went through for {seconds} s: {self}"
            await asyncio.sleep(0.05)
        return time.monotonic() - since

    async def drain(self, seconds: float) -> None:
        """Publishes no more and waits until all that was published is taken."""
        self._publisher.cancel()
        await asyncio.gather(self._publisher, return_exceptions=True)
        until = time.monotonic() + seconds
        while missing := self.published - self.taken:
            assert time.monotonic() < until, f"{len(missing)} messages are missing: {self}"
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Ends it all."""
        self._publisher.cancel()
        await asyncio.gather(self._publisher, return_exceptions=True)
        for consumer in self._consumers:
            await consumer.stop()

    def __str__(self) -> str:
        deliveries = sum(one.deliveries for one in self._consumers)
        failures = self.failures + sum(one.failures for one in self._consumers)
        last = {str(one.failure) for one in (self, *self._consumers) if one.failure is not None}
        return (
            f"{len(self.published)} published, {len(self.taken)} taken in {deliveries} deliveries, "
            f"{failures} calls failed, the last with {sorted(last)}"
        )

    async def _publish(self) -> None:
        await self._broker.declare({self._group: {self._topic: frozenset()}})
        number = 0
        while True:
            batch = [Message(self._topic, f"m{one}", b"x" * 200) for one in range(number, number + BATCH)]
            try:
                await self._broker.publish(batch)
            except BrokerUnavailable as failure:
                self.failures, self.failure = self.failures + 1, failure
                await asyncio.sleep(0.1)
                continue
            self.published |= {message.message_id for message in batch}
            self.published_at = time.monotonic()
            number += BATCH
            await asyncio.sleep(PACE)
