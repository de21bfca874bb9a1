"""Ends: of a caller while it is asked, of a door that could not open, and of hosts at both ends."""

import asyncio
import gc
import socket
from typing import Any

import pytest

from makegood.engine.contracts import Operation
from makegood.engine.database.table import Schema
from makegood.engine.deadline import Deadline
from makegood.engine.errors import EngineError, Overloaded, ServiceUnavailable
from makegood.engine.registry.static import StaticRegistry
from makegood.engine.rpc.triple import TripleCaller, TripleDoor
from makegood.engine.rpc.triple.calls import MOST_UNDER_WAY
from makegood.engine.service import Service, async_operation
from makegood.engine.world import SystemWorld
from tests.contract.rpc.parrot import (
    ECHO,
    HERE,
    INTERFACE,
    ONCE,
    TOGETHER,
    Flock,
    Parrot,
    Said,
    Say,
    handlers,
    parrot_host,
    running,
)

HOLD = Operation("parrot", "Hold", Say, Said)
ASK_PARROT = Operation("cockatoo", "AskParrot", Say, Said)


class Cockatoo(Service):
    """Asks the parrot."""

    name = "cockatoo"
    schema = Schema("cockatoo")

    @async_operation(ASK_PARROT)
    async def ask_parrot(self, request: Say, deadline: Deadline) -> Said:
        """What the parrot says, wherever it is."""
        return await self.engine.call(ECHO, request, deadline)


async def test_closing_while_calls_run(flock: Flock) -> None:
    """A caller that is closed fails every question under way at once, and every later one; a repeat does nothing."""
    parrot = Parrot()
    await flock.join(parrot)
    question = Say("slow", seconds=1)
    under_way: list[asyncio.Task[Any]] = [
        asyncio.create_task(flock.call(operation, question, Deadline.after(20)))
        for operation in (ECHO, ONCE)
        for _ in range(20)
    ]
    while len(parrot.heard) < 40:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(1):
        await flock.caller.close()
        failures = await asyncio.gather(*under_way, return_exceptions=True)
        assert {isinstance(one, ServiceUnavailable) for one in failures} == {True}
        with pytest.raises(ServiceUnavailable, match="closed"):
            await flock.say("more")
        await flock.caller.close()


async def test_closing_while_nobody_offers(flock: Flock) -> None:
    """A question that waits for its first provider ends when the caller is closed."""
    waiting = asyncio.create_task(flock.say("hello", seconds=20))
    await asyncio.sleep(0.1)
    await flock.caller.close()
    with pytest.raises(ServiceUnavailable, match="closed"):
        await asyncio.wait_for(waiting, 1)


async def test_closing_while_a_provider_leaves(flock: Flock) -> None:
    """Closing does not wait for the answers of a provider that has left."""
    parrot = Parrot()
    _, provider = await flock.serve(parrot)
    asked = asyncio.create_task(flock.call(ONCE, Say("slow", seconds=3), Deadline.after(20)))
    while not parrot.heard:
        await asyncio.sleep(0.01)
    await flock.registry.withdraw(INTERFACE, provider)
    async with asyncio.timeout(1):
        await flock.caller.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("leaving")]
        with pytest.raises(ServiceUnavailable):
            await asked


async def test_nothing_runs_after_the_end(flock: Flock) -> None:
    """After caller and door are closed no task of theirs is left, and nothing was left unawaited."""
    before = asyncio.all_tasks()
    door = await flock.join(Parrot())
    await asyncio.gather(*[flock.say(str(number)) for number in range(100)])
    await flock.caller.close()
    await door.close()
    gc.collect()
    await asyncio.sleep(0.1)
    ours = ("calls to", "asking", "leaving", "answers to")
    left = [task.get_name() for task in asyncio.all_tasks() - before if task.get_name().startswith(ours)]
    assert left == []


async def test_port_is_taken() -> None:
    """A door whose port is taken says so, is in no registry, and can be closed."""
    registry = StaticRegistry({})
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        taken.listen()
        door = TripleDoor(registry, HERE, HERE, taken.getsockname()[1])
        with pytest.raises(OSError, match="choose another port"):
            await door.open(handlers(Parrot()))
        await door.close()
    told: list[object] = []
    await registry.watch(INTERFACE, told.extend)
    assert told == []


async def test_too_many_calls_are_refused(flock: Flock) -> None:
    """A process takes so many calls of all its callers and no more; one more is told to come again."""
    under_way, enough = 0, asyncio.Event()

    async def hold(request: Say, _: Deadline) -> Said:
        nonlocal under_way
        under_way += 1
        await enough.wait()
        return Said(request.text)

    callers = [TripleCaller(flock.registry, SystemWorld()) for _ in range(2)]
    await flock.join(Parrot(), also={HOLD: hold})
    asked = [
        asyncio.create_task(caller.call(HOLD, Say("hold"), Deadline.after(60)))
        for caller in callers
        for _ in range(MOST_UNDER_WAY // 2)
    ]
    async with asyncio.timeout(50):
        while under_way < MOST_UNDER_WAY:
            await asyncio.sleep(0.05)
    with pytest.raises(Overloaded, match="ask again later"):
        await flock.say("one more", seconds=20)
    enough.set()
    assert {answer.text for answer in await asyncio.gather(*asked)} == {"hold"}
    for caller in callers:
        await caller.close()


async def test_batch_over_the_wire(flock: Flock) -> None:
    """What other processes ask together runs in few batches, and each gets its own answer."""
    async with running(parrot_host([Parrot()], flock.registry)):
        texts = [str(number) for number in range(1_000)]
        answers = await asyncio.gather(*[flock.say(text, TOGETHER, seconds=20) for text in texts])
        assert [answer.text for answer in answers] == texts
        assert max(int(answer.by) for answer in answers) > 32


async def test_service_asks_a_service_elsewhere(flock: Flock) -> None:
    """A service asks one that runs in another process as it asks one in its own, and meets its absence likewise."""
    near = parrot_host([Cockatoo()], flock.registry, elsewhere=flock.caller)
    outside = TripleCaller(flock.registry, SystemWorld())
    async with running(near):
        async with running(parrot_host([Parrot("far")], flock.registry)):
            assert (await near.call(ASK_PARROT, Say("a"), Deadline.after(5))).by == "far"
            assert (await outside.call(ASK_PARROT, Say("b"), Deadline.after(5))).by == "far"
        for caller in (near, outside):
            with pytest.raises(ServiceUnavailable, match=r"nobody offers makegood\.Parrot"):
                await caller.call(ASK_PARROT, Say("c"), Deadline.after(5))
        await outside.close()


async def test_host_stops_under_load(flock: Flock) -> None:
    """While hosts are stopped and started under load, no question fails, not even one that is asked only once."""
    parrots = [Parrot(str(number)) for number in range(4)]
    asking = True
    failures: list[Exception] = []
    answered = 0

    async def ask_on() -> None:
        nonlocal answered
        while asking:
            try:
                await flock.say("hello", ONCE, seconds=20)
                answered += 1
            except EngineError as error:
                failures.append(error)

    hosts = [parrot_host([parrot], flock.registry) for parrot in parrots]
    async with running(hosts[0]):
        askers = [asyncio.create_task(ask_on()) for _ in range(20)]
        for host in hosts[1:]:
            async with running(host):
                await asyncio.sleep(0.3)
        asking = False
        await asyncio.gather(*askers)
    assert failures == []
    assert answered > 100
    assert all(parrot.heard for parrot in parrots)
