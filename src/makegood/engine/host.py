"""Puts services, databases, broker and calls together in one process, and runs them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from makegood.engine.broker.port import Broker
from makegood.engine.contracts import Operation
from makegood.engine.database.port import Database
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DatabaseError, ServiceUnavailable
from makegood.engine.executor import Executor
from makegood.engine.inbox import groups_of
from makegood.engine.messaging import Messaging
from makegood.engine.outbox import Wanted
from makegood.engine.rpc.local import LocalCaller
from makegood.engine.runtime import ServiceRuntime
from makegood.engine.service import ListenerSpec, Service
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

JOIN = 5.0
"""Seconds that starting waits for the broker; without it the host starts all the same, and publishes later."""
STOP = 20.0
"""Seconds that stopping may take before what still runs is left to the next start."""
FLUSH = 2.0
"""Seconds of them in which messages are sent that still wait."""

log = logging.getLogger(__name__)


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
        self._calls = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._stopping = False
        self._everybody_listens = asyncio.Event()
        self._joining: asyncio.Task[None] | None = None
        self._compute = compute
        _refuse_twins(services)
        wanted = Wanted({(spec.topic, spec.tag) for one in services for spec in one.specs(ListenerSpec)})
        self.runtimes = {
            service.name: ServiceRuntime(
                service, database(service), broker, world, self._caller, compute, wanted, alone=alone
            )
            for service in services
        }

    async def start(self) -> None:
        """Opens every service, then lets calls, messages and the clock in. Having failed, it has stopped."""
        try:
            for runtime in self.runtimes.values():
                await runtime.open()
                for contract, handler in runtime.handlers():
                    self._caller.offer(contract.service, contract.name, handler)
            await self._listen()
            for runtime in self.runtimes.values():
                runtime.start(self._everybody_listens)
        except BaseException:
            await self._close()
            raise

    async def stop(self) -> None:
        """Finishes what was accepted, ends the loops, closes broker and databases."""
        self._stopping = True
        try:
            async with asyncio.timeout(STOP):
                await self._finish()
        except TimeoutError:
            log.warning("stopping took longer than %.0f s: what still runs is taken up at the next start", STOP)
        finally:
            await self._close()

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """Asks a service of this process; raises ServiceUnavailable when it is stopping."""
        if self._stopping:
            raise ServiceUnavailable("this process is stopping: ask again when it has started")
        self._calls += 1
        self._no_calls.clear()
        try:
            return await self._caller.call(operation, request, deadline)
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._no_calls.set()

    async def _listen(self) -> None:
        for runtime in self.runtimes.values():
            runtime.listen()
        # A group gets what is published after it has joined: so nothing is published before all have.
        self._joining = asyncio.get_running_loop().create_task(self._join(), name="joining")
        try:
            async with asyncio.timeout(JOIN):
                await self._everybody_listens.wait()
        except TimeoutError:
            log.warning("the broker does not answer: messages will be sent when it does")

    async def _join(self) -> None:
        for runtime in self.runtimes.values():
            await runtime.joined()
        self._everybody_listens.set()

    async def _finish(self) -> None:
        await self._no_calls.wait()
        await asyncio.gather(*[runtime.begin_nothing() for runtime in self.runtimes.values()])
        for runtime in self.runtimes.values():
            await runtime.finish()
        try:
            async with asyncio.timeout(FLUSH):
                for runtime in self.runtimes.values():
                    await runtime.flush()
        except (TimeoutError, DatabaseError) as error:
            log.warning("not all messages were sent, they are at the next start: %r", error)

    async def _close(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
        for runtime in self.runtimes.values():
            await runtime.stop()
        try:
            await self.broker.close()
        finally:
            for runtime in self.runtimes.values():
                runtime.database.close()
            self._compute.close()


def _refuse_twins(services: Sequence[Service]) -> None:
    """Raises ValueError when two services have the same name or share a consumer group."""
    names: list[str] = []
    owners: dict[str, str] = {}
    for service in services:
        if service.name in names:
            raise ValueError(f"two services are named {service.name!r}: one process runs each once")
        names.append(service.name)
        for group in groups_of(service):
            if group in owners:
                raise ValueError(f"{owners[group]} and {service.name} share the group {group!r}: each needs its own")
            owners[group] = service.name
