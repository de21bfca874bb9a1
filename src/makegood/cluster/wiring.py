"""What connects a process to the others, as its configuration says: broker, registry, calls out and calls in."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from makegood.cluster.settings import DubboSettings
from makegood.config import Config, ConfigError
from makegood.engine.broker.rocketmq.broker import RocketmqBroker
from makegood.engine.broker.rocketmq.settings import RocketmqSettings
from makegood.engine.registry.zookeeper import ZookeeperRegistry
from makegood.engine.rpc.triple import TripleCaller, TripleDoor
from makegood.engine.world import World


class Wiring(NamedTuple):
    """The broker is closed by the host that uses it."""

    broker: RocketmqBroker
    caller: TripleCaller
    doors: Sequence[TripleDoor]


@asynccontextmanager
async def wired(config: Config, world: World, folder: Path, *, serves: bool) -> AsyncGenerator[Wiring]:
    """Entered before a host starts and left when it has stopped. `serves`: others call this process's services.

    `folder` keeps the last known providers, for a start without ZooKeeper. Nothing needs to answer yet. Raises
    ConfigError.
    """
    dubbo = config.section("dubbo", DubboSettings)
    broker = RocketmqBroker.open(config.section("rocketmq", RocketmqSettings), world)
    try:
        registry = await ZookeeperRegistry.open(dubbo.registry_address, world, folder / "providers.json")
    except ValueError as error:
        raise ConfigError(f"[dubbo] registry.address: {error}") from error
    caller = TripleCaller(registry, world)
    host, told = dubbo.addresses()
    try:
        yield Wiring(broker, caller, [TripleDoor(registry, host, told, dubbo.protocol_port)] if serves else [])
    finally:
        await caller.close()
        await registry.close()
