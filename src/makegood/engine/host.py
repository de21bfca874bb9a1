"""Puts services, databases, broker and calls together in one process, and runs them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from makegood.engine.broker.port import Broker
from makegood.engine.contracts import Operation
from makegood.engine.database.port import Database
from makegood.engine.deadline import Deadline
from makegood.engine.executor import Executor
from makegood.engine.messaging import Messaging
from makegood.engine.outbox import Wanted
from makegood.engine.rpc.local import LocalCaller
from makegood.engine.runtime import ServiceRuntime
from makegood.engine.service import ListenerSpec, Service
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

STOP = 20.0
"""Seconds that stopping may take before what still runs is left to the next start."""


class Host:
    """The services of one process. `alone`: no other process runs them."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        database: Callable[[Service], Database],
        broker: Broker,
        world: World,
        compute: Executor,
        alone: bool,
    ) -> None:
        self.world = world
        self.broker = broker
        self.messaging = Messaging(broker, world)
        self._caller = LocalCaller()
        self._compute = compute
        wanted = Wanted({(spec.topic, spec.tag) for one in services for spec in one.specs(ListenerSpec)})
        self.runtimes = {
            service.name: ServiceRuntime(
                service, database(service), broker, world, self._caller, compute, wanted, alone=alone
            )
            for service in services
        }

    async def start(self) -> None:
        """Opens every service, then lets calls, messages and the clock in."""
        for runtime in self.runtimes.values():
            await runtime.open()
            for contract, handler in runtime.handlers():
                self._caller.offer(contract.service, contract.name, handler)
        for runtime in self.runtimes.values():
            runtime.start()

    async def stop(self) -> None:
        """Finishes what was accepted, ends the loops, closes broker and databases."""
        try:
            async with asyncio.timeout(STOP):
                for runtime in self.runtimes.values():
                    await runtime.stop()
        finally:
            await self.broker.close()
            for runtime in self.runtimes.values():
                runtime.database.close()
            self._compute.close()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Asks a service of this process."""
        return await self._caller.call(operation, request, deadline)
