"""When a RocketMQ that has just started is of use: its ports listen long before it answers, on a busy machine."""

import asyncio
import time

from makegood.engine.broker.port import Message
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.errors import BrokerUnavailable
from makegood.engine.world import SystemWorld

TOPIC, GROUP = "warm-up", "warm-up"
SECONDS = 120.0
"""So long it may take."""

_answering: set[str] = set()


async def answering(settings: RocketmqSettings) -> None:
    """Returns when a new client's message goes all the way."""
    until = time.monotonic() + SECONDS
    while True:
        broker = RocketmqBroker.open(settings, SystemWorld())
        try:
            subscription = await broker.subscribe(GROUP, {TOPIC: frozenset()})
            await broker.publish([Message(TOPIC, "m", b"m")])
            await subscription.acknowledge(await subscription.receive(32, 10.0))
            return
        except BrokerUnavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.5)
        finally:
            await broker.close()


async def once_answering(settings: RocketmqSettings) -> RocketmqSettings:
    """The same, asked once in each process."""
    if settings.endpoints not in _answering:
        await answering(settings)
        _answering.add(settings.endpoints)
    return settings
