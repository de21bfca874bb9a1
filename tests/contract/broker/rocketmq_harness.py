"""The suite's way to a real RocketMQ."""

import asyncio

from makegood.engine.broker.port import Broker
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.receiving import WINDOW
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.world import SystemWorld
from tests.cluster.rocketmq_ready import once_answering
from tests.cluster.servers import rocketmq


async def shared_rocketmq() -> RocketmqSettings:
    """The tests' own RocketMQ, started when it does not run; with the shortest invisible time that it allows."""
    server = rocketmq()
    return await once_answering(RocketmqSettings(server.name_server, server.endpoints, invisible=10.0))


class RocketmqHarness:
    """A real RocketMQ, which all tests share: names are made unique, time really passes."""

    window = WINDOW
    slack = 4.0
    invisible = 10.0
    delay = 5.0
    moment = 1.0

    def __init__(self, settings: RocketmqSettings) -> None:
        self._settings = settings
        self._world = SystemWorld()
        self._run = self._world.random_bytes(6).hex()
        self._opened: list[RocketmqBroker] = []

    async def open(self) -> Broker:
        """A client of the broker."""
        self._opened.append(RocketmqBroker.open(self._settings, self._world))
        return self._opened[-1]

    async def pass_time(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    def now(self) -> int:
        """The machine's time, ms UTC."""
        return self._world.now()

    def name(self, what: str) -> str:
        """The name with the test's own number."""
        return f"{what}-{self._run}"

    async def close(self) -> None:
        """Closes the clients."""
        for broker in self._opened:
            await broker.close()
