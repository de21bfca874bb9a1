"""Asks the services of other processes, whichever of their providers answers."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from makegood.engine import tracing
from makegood.engine.backoff import backoff
from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, ServiceUnavailable
from makegood.engine.registry.port import Provider, Registry
from makegood.engine.rpc.figures import ClientFigures
from makegood.engine.rpc.triple.choosing import Candidate, choose
from makegood.engine.rpc.triple.frames import Lost, NotTaken
from makegood.engine.rpc.triple.link import Link, request_bytes
from makegood.engine.rpc.triple.names import address_of, interface, interface_of, span_of
from makegood.engine.world import World

Q = TypeVar("Q")
A = TypeVar("A")

NO_PROVIDER = 2.0
"""Seconds that a call waits for any provider to come."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds before a call is tried again."""
GRACE = 10.0
"""Seconds in which a provider that has left may still answer what it was asked."""


class _Providers:
    """Those of one service."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.candidates: list[Candidate] = []
        self.some = asyncio.Event()
        self.turn = 0

    def other_than(self, tried: Collection[str]) -> list[Candidate]:
        """Those not among these addresses."""
        return [one for one in self.candidates if one.link.address not in tried]


class TripleCaller:
    """Implements `Caller` over the providers that a registry knows; `close` it after use. For one event loop.

    An operation with a route goes where its key leads, so that one hot SKU's orders meet in one process. What a lost
    process was asked is asked of another, if the operation is idempotent or was surely not begun.
    """

    def __init__(self, registry: Registry, world: World) -> None:
        self._registry = registry
        self._world = world
        self.figures = ClientFigures()
        self._providers: dict[str, _Providers] = {}
        self._watching: dict[str, asyncio.Lock] = {}
        self._links: dict[str, Link] = {}
        self._leaving: dict[Link, asyncio.Task[None]] = {}
        self._closed = False

    async def call(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        """The answer of one provider. Raises as `Caller` says."""
        figures, clock = self.figures.of(operation), asyncio.get_running_loop().time
        began = clock()
        ask = self._traced if tracing.current() else self._ask
        try:
            answer = await ask(operation, request, deadline)
        except BaseException as error:
            figures.ended(clock() - began, error)
            raise
        figures.ended(clock() - began)
        return answer

    async def _traced(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        name, attributes = span_of(operation)
        with tracing.span(name, "client", attributes):
            return await self._ask(operation, request, deadline)

    async def _ask(self, operation: Operation[Q, A], request: Q, deadline: Deadline) -> A:
        body = request_bytes(operation, request)
        key = operation.route(request) if operation.route is not None else None
        providers = self._providers.get(interface_of(operation)) or await self._watched(operation.service)
        failures = 0
        tried: dict[str, None] = {}
        while True:
            link = await self._choose(providers, operation, key, deadline, tried)
            try:
                return await link.ask(operation, body, deadline)
            except (NotTaken, Lost) as error:
                if isinstance(error, Lost) and not operation.idempotent:
                    raise
                failures += 1
                tried[link.address] = None
                await self._pause(providers, tried, failures, deadline, error)
                self.figures.repeated(operation.service)

    async def know(self, services: Iterable[str]) -> None:
        """Watches for the providers of these services, so that the first call finds them."""
        for service in services:
            await self._watched(service)

    def missing(self, services: Iterable[str]) -> list[str]:
        """Which of these services have no provider now."""
        known = {name for name, providers in self._providers.items() if providers.candidates}
        return [service for service in services if interface(service) not in known]

    async def close(self) -> None:
        """Ends every connection; what is under way is lost."""
        self._closed = True
        links = [*self._links.values(), *self._leaving]
        self._links.clear()
        for providers in self._providers.values():
            providers.candidates = []
            providers.some.set()
            self.figures.providers[providers.service] = 0
        await asyncio.gather(*[link.close(0.0) for link in links], *self._leaving.values(), return_exceptions=True)

    async def _choose(
        self,
        providers: _Providers,
        operation: Operation[Any, Any],
        key: str | None,
        deadline: Deadline,
        tried: Collection[str],
    ) -> Link:
        now = asyncio.get_running_loop().time()
        if deadline.at <= now:
            raise DeadlineExceeded(f"the deadline passed before {operation} was answered")
        if not providers.candidates:
            await self._wait(providers, operation, deadline)
        providers.turn += 1
        untried = providers.other_than(tried) if tried else providers.candidates
        return choose(untried or providers.candidates, key, providers.turn, now)

    async def _wait(self, providers: _Providers, operation: Operation[Any, Any], deadline: Deadline) -> None:
        try:
            async with asyncio.timeout(min(NO_PROVIDER, deadline.remaining())):
                while not providers.candidates and not self._closed:
                    providers.some.clear()
                    await providers.some.wait()
        except TimeoutError:
            raise ServiceUnavailable(
                f"nobody offers {interface_of(operation)}: start a process that serves {operation.service}"
            ) from None
        if self._closed:
            raise ServiceUnavailable(f"this process has closed its connections: {operation} is not asked any more")

    async def _pause(
        self, providers: _Providers, tried: dict[str, None], failures: int, deadline: Deadline, error: Exception
    ) -> None:
        """At once to another provider; having tried them all, after a pause. Raises `error` when there is no time."""
        pause = 0.0
        if not providers.other_than(tried):
            tried.clear()
            pause = backoff(self._world, failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)
        if pause >= deadline.remaining():
            raise error
        await asyncio.sleep(pause)

    async def _watched(self, service: str) -> _Providers:
        name = interface(service)
        async with self._watching.setdefault(name, asyncio.Lock()):
            if name not in self._providers:
                providers = _Providers(service)
                await self._registry.watch(name, lambda told: self._take(name, providers, told))
        return self._providers[name]

    def _take(self, name: str, providers: _Providers, told: tuple[Provider, ...]) -> None:
        if self._closed:
            return
        self._providers[name] = providers
        providers.candidates = [Candidate(self._link(address_of(one.host, one.port)), one.weight) for one in told]
        self.figures.providers[providers.service] = len(told)
        if providers.candidates:
            providers.some.set()
        used = {one.link.address for each in self._providers.values() for one in each.candidates}
        for address in [address for address in self._links if address not in used]:
            self._leave(self._links.pop(address))

    def _link(self, address: str) -> Link:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(address, self.figures)
        return link

    def _leave(self, link: Link) -> None:
        leaving = asyncio.get_running_loop().create_task(link.close(GRACE), name=f"leaving {link.address}")
        self._leaving[link] = leaving
        leaving.add_done_callback(lambda _: self._leaving.pop(link))
