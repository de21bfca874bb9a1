"""Takes a group's messages from the broker and acknowledges them when they have taken effect."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from makegood.engine.backoff import backoff
from makegood.engine.broker.port import Broker, Delivery, Subscription
from makegood.engine.errors import BrokerUnavailable, EngineError
from makegood.engine.inbox import InboxOfGroup
from makegood.engine.world import World

RECEIVE = 64
"""Most messages taken at once; each may hold the events of a whole commit."""
POLL = 20.0
"""Seconds that one receive waits."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries while the broker or the database is away."""

log = logging.getLogger(__name__)


class Consumer:
    """The loop of one group in one process."""

    def __init__(self, inbox: InboxOfGroup, topics: Mapping[str, frozenset[str]], broker: Broker, world: World) -> None:
        self._inbox, self._topics = inbox, topics
        self._broker, self._world = broker, world
        self.received = 0
        self._failures = 0

    async def run(self) -> None:
        """Consumes for ever; while the broker is away it joins again, while the database is away it stops polling."""
        while True:
            try:
                subscription = await self._broker.subscribe(
                    self._inbox.group, self._topics, ordered=self._inbox.ordered
                )
                await self._consume(subscription)
            except BrokerUnavailable as error:
                self._failures += 1
                log.warning("%s: the broker is away (%s); trying again", self._inbox.group, error)
                await asyncio.sleep(backoff(self._world, self._failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))

    async def _consume(self, subscription: Subscription) -> None:
        try:
            while True:
                deliveries = await subscription.receive(RECEIVE, POLL)
                self._failures = 0
                if deliveries:
                    await self._take(deliveries)
                    await subscription.acknowledge(deliveries)
                    self.received += len(deliveries)
        finally:
            await subscription.close()

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        messages = [delivery.message for delivery in deliveries]
        failures = 0
        while True:
            try:
                return await self._inbox.take(messages)
            except EngineError as error:
                failures += 1
                log.warning("%s: messages cannot take effect (%s); trying again", self._inbox.group, error)
                await asyncio.sleep(backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))
