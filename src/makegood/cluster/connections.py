"""What connects a program to the real servers, each part by itself. Needs the extra `cluster`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from makegood.cluster.settings import DubboSettings
from makegood.config import Config, ConfigError
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.registry.zookeeper import ZookeeperRegistry
from makegood.engine.rpc.figures import RpcFigures
from makegood.engine.rpc.triple import TripleCaller, TripleDoor
from makegood.engine.world import World


class Calls(NamedTuple):
    """The way out to other processes' services, and the ways in to this one's."""

    caller: TripleCaller
    doors: Sequence[TripleDoor]

    @property
    def figures(self) -> RpcFigures:
        """What they count."""
        return RpcFigures(self.caller.figures, self.doors[0].figures if self.doors else None)


@asynccontextmanager
async def calls(config: Config, world: World, cache: Path | None, *, serves: bool) -> AsyncGenerator[Calls]:
    """As `[dubbo]` says; entered before a host starts and left when it has stopped.

    `cache` keeps the last known providers, `serves` says that others may call. ZooKeeper need not answer yet. Raises
    ConfigError.
    """
    dubbo = config.section("dubbo", DubboSettings)
    try:
        registry = await ZookeeperRegistry.open(dubbo.registry_address, world, cache)
    except ValueError as error:
        raise ConfigError(f"[dubbo] registry.address: {error}") from error
    caller = TripleCaller(registry, world)
    host, told = dubbo.addresses()
    try:
        yield Calls(caller, [TripleDoor(registry, host, told, dubbo.protocol_port)] if serves else [])
    finally:
        await caller.close()
        await registry.close()


def rocketmq(config: Config, world: World) -> RocketmqBroker:
    """As `[rocketmq]` says; connects to nothing yet. Raises ConfigError."""
    return RocketmqBroker.open(config.section("rocketmq", RocketmqSettings), world)
