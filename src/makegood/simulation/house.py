"""The shop's machines: everything on one, as embedded, or services in groups, several instances of each."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple

import apsw

from makegood.config import Config
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.broker.port import Broker
from makegood.engine.contracts import Operation
from makegood.engine.dead_letters import DeadLetters
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError
from makegood.engine.executor import InlineExecutor
from makegood.engine.host import Host
from makegood.engine.service import Service
from makegood.shop.assembly import CLASSES, services_of
from makegood.shop.payments.settings import PaymentsSettings
from makegood.simulation.broker import RemoteBroker, UnreliableBroker, open_broker
from makegood.simulation.checks import DRAINED, Broken
from makegood.simulation.database import Disk, SimulatedDatabase, empty
from makegood.simulation.faults import Fault
from makegood.simulation.life import MOOD, STORING, WAITING, Life, Machine
from makegood.simulation.network import INSIDE, Network, RemoteCaller, Unreachable
from makegood.simulation.platform import Platforms
from makegood.simulation.world import World

OPERATORS = 6.0
"""Seconds the operators wait for an answer."""
LETTERS = 100
"""Most dead letters replayed at once."""
NOTIFY_BASE = "http://shop.simulated"
NAMES = tuple(one.name for one in CLASSES)
ORDERS, PARTICIPANTS, MONEY = ("orders",), ("stock", "coupons", "accounts"), ("payments", "points", "journal")


class Topology(NamedTuple):
    """Which services run together, and how many processes of each; `embedded`: one process, broker and all."""

    name: str
    groups: tuple[tuple[str, ...], ...]
    copies: int = 2
    embedded: bool = False


TOPOLOGIES = (
    Topology("embedded", (NAMES,), 1, embedded=True),
    Topology("twins", (NAMES,)),
    Topology("groups", (ORDERS, PARTICIPANTS, MONEY)),
    Topology("apart", tuple((name,) for name in NAMES)),
)
WEIGHTS = (4, 3, 3, 1)


class Settings(NamedTuple):
    """What differs from world to world in the shop's configuration; seconds."""

    decide_within: float
    pay_within: float

    @classmethod
    def of(cls, seed: int) -> "Settings":
        """As the seed says."""
        chance = Random(f"settings {seed}")
        return cls(chance.choice((2.0, 5.0)), chance.choice((8.0, 16.0)))

    def payments(self) -> PaymentsSettings:
        """What the payments service is told."""
        return self.config().section("payments", PaymentsSettings, notify_base=NOTIFY_BASE)

    def config(self) -> Config:
        """As a shop's configuration file says it."""
        return Config(
            {
                "orders": {
                    "decide_within": self.decide_within,
                    "pay_within": self.pay_within,
                    "attempt_timeout": 0.7,
                    "cancel_wait": 3.0,
                },
                "payments": {"first_ask": 4.0, "longest_ask": 20.0, "last_look": 10.0},
            }
        )


class Node:
    """What a machine of the shop answers with: it asks services, here or elsewhere."""

    def __init__(self, asks: Host | RemoteCaller, letters: DeadLetters | None = None) -> None:
        self._asks = asks
        self._letters = letters

    async def call(self, operation: Operation[Any, Any], request: Any, deadline: Deadline) -> Any:
        """The answer of a service, here or elsewhere."""
        return await self._asks.call(operation, request, deadline)

    async def replay_dead_letters(self) -> int:
        """Has all that failed here tried again; says how many."""
        assert self._letters is not None
        letters = await self._letters.page(None, LETTERS)
        return sum(await self._letters.replay_all([letter.id for letter in letters]))


class House:
    """The machines of one world's shop, and what survives of them."""

    def __init__(self, world: World, network: Network, platforms: Platforms) -> None:
        self._world, self._network, self._platforms = world, network, platforms
        self.topology = Random(f"topology {world.seed}").choices(TOPOLOGIES, WEIGHTS)[0]
        self.settings = Settings.of(world.seed)
        self._config = self.settings.config()
        self.disks = {one.name: Disk(one.name, empty(one.schema)) for one in CLASSES}
        self._broker_store = apsw.Connection(":memory:")
        self.machines: list[Machine] = []
        self.fronts: list[Machine] = []
        """Where buyers and platforms call."""
        self._broker: Machine | None = None
        self._live_broker: EmbeddedBroker | None = None
        self._build()

    def begin(self) -> None:
        """Every machine starts."""
        for machine in self.machines:
            machine.begin()
        self._world.later(MOOD, self._mood)

    def _mood(self) -> None:
        """Now and then the power fails, for everything at once."""
        faults = self._world.faults
        if faults.over:
            return
        if faults.happens(Fault.POWER_CUT, "the shop"):
            for machine in self.machines:
                if machine.life is not None:
                    machine.life.loses_power()
        self._world.later(MOOD, self._mood)

    def _build(self) -> None:
        world = self._world
        if self.topology.embedded:
            self.machines.append(Machine("shop", world, self._boot_embedded, NAMES))
            self.fronts = list(self.machines)
            return
        self._broker = Machine("broker", world, self._boot_broker, (), STORING)
        self.fronts = [Machine(f"front-{number}", world, self._boot_front, (), WAITING) for number in (1, 2)]
        self.machines = [self._broker, *self.fronts]
        for group in self.topology.groups:
            name = "shop" if group == NAMES else "-".join(group[:1])
            for copy in range(1, self.topology.copies + 1):
                boot = partial(self._boot_services, group)
                self.machines.append(Machine(f"{name}-{copy}", world, boot, group))

    async def _boot_embedded(self, life: Life) -> Node:
        return await self._start(life, NAMES, self._open_broker(life), None)

    async def _boot_broker(self, life: Life) -> Any:
        return self._open_broker(life)

    async def _boot_front(self, life: Life) -> Node:
        return Node(self._caller(life))

    async def _boot_services(self, names: Sequence[str], life: Life) -> Node:
        assert self._broker is not None
        broker = RemoteBroker(self._network, life, self._broker, self._world)
        return await self._start(life, names, broker, self._caller(life))

    async def _start(self, life: Life, names: Sequence[str], broker: Broker, elsewhere: RemoteCaller | None) -> Node:
        host = Host(
            [service for service in self._services(life) if service.name in names],
            database=lambda service: SimulatedDatabase(self.disks[service.name], life, self._world),
            broker=UnreliableBroker(broker, life, self._world),
            world=life,
            compute=InlineExecutor(),
            alone=self.topology.embedded,
            elsewhere=elsewhere,
            audience=CLASSES,
        )
        await host.start()
        return Node(host, DeadLetters(host.runtimes))

    def _services(self, life: Life) -> list[Service]:
        return services_of(self._config, NOTIFY_BASE, self._platforms.gateways(life))

    def _caller(self, life: Life) -> RemoteCaller:
        return RemoteCaller(self._network, life, str(life), self.machines, self._world)

    async def replay_dead_letters(self, machine: Machine) -> None:
        """The operators have everything tried again that failed on this machine, if it answers."""
        until = self._world.loop.time() + OPERATORS

        async def work(node: Node) -> int:
            return await node.replay_dead_letters()

        try:
            await self._network.call(None, "operator", machine, INSIDE, "replay dead letters", work, until)
        except (EngineError, Unreachable):
            return  # the next round

    async def undelivered(self) -> list[Broken]:
        """What consumer groups have not acknowledged."""
        owner = self._broker or self.machines[0]
        if self._live_broker is None or owner.node is None:
            return [Broken(DRAINED, "broker", "away")]
        stats = await self._live_broker.stats()
        return [Broken(DRAINED, one.group, f"{one.backlog} messages are not delivered") for one in stats if one.backlog]

    def _open_broker(self, life: Life) -> EmbeddedBroker:
        self._live_broker = open_broker(self._broker_store, life, self._world)
        return self._live_broker
