"""A service that says things again, and ways to it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import apsw
import msgspec

from makegood.engine import tracing
from makegood.engine.broker.embedded import EmbeddedBroker
from makegood.engine.contracts import Operation
from makegood.engine.database.creation import create_tables
from makegood.engine.database.port import Database
from makegood.engine.database.sqlite import SqliteDatabase
from makegood.engine.database.table import Schema
from makegood.engine.database.transaction import Transaction
from makegood.engine.deadline import Deadline
from makegood.engine.errors import (
    DatabaseError,
    DatabaseUnavailable,
    DeadlineExceeded,
    DuplicateKey,
    EngineError,
    OperationFailed,
    Overloaded,
    ServiceUnavailable,
)
from makegood.engine.executor import InlineExecutor
from makegood.engine.host import Host
from makegood.engine.registry.port import Provider, Registry
from makegood.engine.registry.static import StaticRegistry
from makegood.engine.rpc.local import LocalCaller
from makegood.engine.rpc.port import Caller, Door, Handler
from makegood.engine.rpc.triple import TripleCaller, TripleDoor
from makegood.engine.rpc.triple.server import TripleServer
from makegood.engine.service import AsyncOperationSpec, Service, async_operation, operation
from makegood.engine.world import SystemWorld

HERE = "127.0.0.1"
INTERFACE = "makegood.Parrot"
NONE: Mapping[Operation[Any, Any], Handler] = {}


class Say(msgspec.Struct, frozen=True):
    """Something to say again, after some seconds."""

    text: str
    seconds: float = 0.0


class Said(msgspec.Struct, frozen=True):
    """What was said, or why not; by whom, and in which trace."""

    text: str
    refusal: str = ""
    by: str = ""
    trace: str = ""


ECHO = Operation("parrot", "Echo", Say, Said)
FAIL = Operation("parrot", "Fail", Say, Said)
ONCE = Operation("parrot", "Once", Say, Said, idempotent=False)
ROUTED = Operation("parrot", "Routed", Say, Said, route=lambda asked: asked.text)
TOGETHER = Operation("parrot", "Together", Say, Said)
SECRET = Operation("parrot", "Secret", Say, Said, private=True)
UNHEARD_OF = Operation("parrot", "UnheardOf", Say, Said)

ERRORS: dict[str, type[EngineError]] = {
    one.__name__: one
    for one in (
        DatabaseError,
        DatabaseUnavailable,
        DeadlineExceeded,
        DuplicateKey,
        OperationFailed,
        Overloaded,
        ServiceUnavailable,
    )
}


class Parrot(Service):
    """It refuses to swear, and remembers what it was asked."""

    name = "parrot"
    schema = Schema("parrot")

    def __init__(self, who: str = "polly") -> None:
        self.who = who
        self.heard: list[str] = []

    @async_operation(ECHO)
    async def echo(self, request: Say, deadline: Deadline) -> Said:
        """Says it, in time or not at all."""
        self.heard.append(request.text)
        if request.text == "damn":
            return Said("", refusal="rude")
        try:
            async with asyncio.timeout(deadline.remaining()):
                await asyncio.sleep(request.seconds)
        except TimeoutError:
            raise DeadlineExceeded("polly is too slow") from None
        return Said(request.text, by=self.who, trace=tracing.current())

    @async_operation(ONCE)
    async def once(self, request: Say, deadline: Deadline) -> Said:
        """The same."""
        return await self.echo(request, deadline)

    @async_operation(ROUTED)
    async def routed(self, request: Say, deadline: Deadline) -> Said:
        """The same."""
        return await self.echo(request, deadline)

    @async_operation(SECRET)
    async def secret(self, request: Say, deadline: Deadline) -> Said:
        """The same."""
        return await self.echo(request, deadline)

    @async_operation(FAIL)
    async def fail(self, request: Say, deadline: Deadline) -> Said:
        """Raises the error of this name."""
        self.heard.append(request.text)
        if request.text == "Overloaded":
            raise Overloaded("polly is tired", 7.5)
        raise ERRORS[request.text](f"polly has {request.text}, {deadline.remaining():.0f} s left")

    @operation(TOGETHER)
    def together(self, _: Transaction, requests: Sequence[Say]) -> list[Said]:
        """Says a batch."""
        self.heard += [request.text for request in requests]
        return [Said(request.text, by=str(len(requests))) for request in requests]


def handlers(parrot: Parrot) -> dict[Operation[Any, Any], Handler]:
    """How it answers without a host: what others may ask, except what needs a batch."""
    specs = [spec for spec in parrot.specs(AsyncOperationSpec) if not spec.contract.private]
    return {spec.contract: partial(spec.function, parrot) for spec in specs}


def parrot_host(services: Sequence[Service], registry: Registry | None = None, elsewhere: Caller | None = None) -> Host:
    """A process of these services, on databases in memory; others call it if there is a registry."""
    world = SystemWorld()
    doors: list[Door] = [TripleDoor(registry, HERE, HERE, leave=0)] if registry is not None else []
    return Host(
        services,
        database=_database,
        broker=EmbeddedBroker.open(apsw.Connection(":memory:"), world, InlineExecutor()),
        world=world,
        compute=InlineExecutor(),
        alone=True,
        elsewhere=elsewhere,
        doors=doors,
    )


@asynccontextmanager
async def running(*processes: Host) -> AsyncGenerator[None]:
    """These have started, and stop in the end, the last one first."""
    async with AsyncExitStack() as stack:
        for process in processes:
            await process.start()
            stack.push_async_callback(process.stop)
        yield


def _database(service: Service) -> Database:
    connection = apsw.Connection(":memory:")
    create_tables(connection, service.schema)
    return SqliteDatabase.in_memory(SystemWorld(), InlineExecutor(), connection)


@asynccontextmanager
async def local(parrot: Parrot) -> AsyncGenerator[Caller]:
    """Within the process."""
    caller = LocalCaller()
    for one, handler in handlers(parrot).items():
        caller.offer(one.service, one.name, handler)
    yield caller


@asynccontextmanager
async def triple(*parrots: Parrot) -> AsyncGenerator["Flock"]:
    """By gRPC, each parrot in what is another process as far as the caller knows."""
    flock = Flock()
    for parrot in parrots:
        await flock.join(parrot)
    try:
        yield flock
    finally:
        await flock.close()


@asynccontextmanager
async def hosts(parrot: Parrot) -> AsyncGenerator[Caller]:
    """From a host that serves nothing to a host that serves the parrot."""
    registry = StaticRegistry({})
    caller = TripleCaller(registry, SystemWorld())
    async with running(parrot_host([parrot], registry), near := parrot_host([], elsewhere=caller)):
        yield near
    await caller.close()


class Flock:
    """Implements `Caller` over parrots, each behind a door of its own, that come and go."""

    def __init__(self) -> None:
        self.registry = StaticRegistry({})
        self.caller = TripleCaller(self.registry, SystemWorld())
        self.call = self.caller.call
        self.doors: list[TripleDoor] = []
        self.servers: list[TripleServer] = []

    async def join(
        self, parrot: Parrot, *, weight: int = 100, also: Mapping[Operation[Any, Any], Handler] = NONE
    ) -> TripleDoor:
        """One more, which may answer some `also`."""
        door = TripleDoor(self.registry, HERE, HERE, weight=weight, leave=0)
        await door.open({**handlers(parrot), **also})
        self.doors.append(door)
        return door

    async def serve(self, parrot: Parrot, port: int = 0) -> tuple[TripleServer, Provider]:
        """One more, which the registry names though it stops or dies."""
        server = TripleServer(handlers(parrot))
        provider = Provider(HERE, await server.start(HERE, port))
        self.servers.append(server)
        await self.registry.register(INTERFACE, provider)
        return server, provider

    async def say(self, text: str, operation: Operation[Say, Said] = ECHO, seconds: float = 5.0) -> Said:
        """What comes back."""
        return await self.caller.call(operation, Say(text), Deadline.after(seconds))

    async def close(self) -> None:
        """All leave."""
        await self.caller.close()
        for door in self.doors:
            await door.close()
        for server in self.servers:
            await server.stop(0.5)
