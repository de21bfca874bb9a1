"""Puts services, databases, broker and calls together in one process, and runs them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from makegood.engine.backoff import backoff
from makegood.engine.broker.port import Broker
from makegood.engine.contracts import Operation
from makegood.engine.database.port import Database
from makegood.engine.deadline import Deadline
from makegood.engine.errors import BrokerUnavailable, DatabaseError, ServiceUnavailable
from makegood.engine.executor import Executor
from makegood.engine.inbox import groups_of, topics_of
from makegood.engine.loops import Loops
from makegood.engine.messaging import Messaging
from makegood.engine.outbox import Wanted
from makegood.engine.rpc.local import LocalCaller
from makegood.engine.rpc.port import Caller, Door, Handler
from makegood.engine.runtime import ServiceRuntime
from makegood.engine.service import Service
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

JOIN = 5.0
"""Seconds that starting waits for the broker; without it the host starts all the same, and publishes later."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries while the broker is away."""
STOP = 20.0
"""Seconds that stopping may take before what still runs is left to the next start."""
FLUSH = 2.0
"""Seconds of them in which messages are sent that still wait."""

log = logging.getLogger(__name__)


class Host:
    """The services of one process. `alone`: no other process runs them.

    `elsewhere` asks the services that other processes run; `audience` are all services that listen to these, here or
    there (without it those of this process); other processes call these services by the `doors`.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        database: Callable[[Service], Database],
        broker: Broker,
        world: World,
        compute: Executor,
        alone: bool,
        elsewhere: Caller | None = None,
        audience: Sequence[type[Service]] | None = None,
        doors: Sequence[Door] = (),
    ) -> None:
        self.world = world
        self.broker = broker
        self.messaging = Messaging(broker, world)
        self._caller = LocalCaller(elsewhere)
        self._doors = doors
        self._offers: dict[Operation[Any, Any], Handler] = {}
        self._calls = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._stopping = False
        self._declared = asyncio.Event()
        self._declaring = Loops("host", world)
        self._compute = compute
        _refuse_twins(services)
        listening = [type(service) for service in services] if audience is None else audience
        self._groups = {group: topics_of(specs) for one in listening for group, specs in groups_of(one).items()}
        wanted = Wanted.of(self._groups)
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
                    if not contract.private:
                        self._offers[contract] = handler
            await self._listen()
            for runtime in self.runtimes.values():
                runtime.start(self._declared)
            for door in self._doors:
                await door.open(self._offers)
        except BaseException:
            await self._shut_doors()
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
        # A new group gets what is published after the broker has heard of it: so nothing is published before.
        self._declaring.spawn("declaring", self._declare)
        try:
            async with asyncio.timeout(JOIN):
                await self._declared.wait()
        except TimeoutError:
            log.warning("the broker does not answer: messages will be sent when it does")

    async def _declare(self) -> None:
        failures = 0
        while not self._declared.is_set():
            try:
                await self.broker.declare(self._groups)
                self._declared.set()
            except BrokerUnavailable as error:
                failures += 1
                log.warning("the broker has not heard of the consumer groups (%s); trying again", error)
                await asyncio.sleep(backoff(self.world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE))

    async def _finish(self) -> None:
        await self._shut_doors()
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

    async def _shut_doors(self) -> None:
        await asyncio.gather(*[door.close() for door in self._doors])

    async def _close(self) -> None:
        await self._declaring.stop()
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
