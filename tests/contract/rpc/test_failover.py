"""Providers that die, stop, come and go, while they are asked."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, ServiceUnavailable
from makegood.engine.registry.port import Provider
from makegood.engine.rpc.triple.frames import Lost
from makegood.engine.rpc.triple.server import TripleServer
from tests.contract.rpc.parrot import ECHO, HERE, INTERFACE, ONCE, Flock, Parrot, Said, Say, handlers
from tests.contract.rpc.relay import relay_to


@asynccontextmanager
async def other_process(flock: Flock) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A parrot named after its process, which the flock's registry names though it dies."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.rpc.parrot_process", stdin=asyncio.subprocess.PIPE, stdout=-1
    )
    assert child.stdout is not None
    await flock.registry.register(INTERFACE, Provider(HERE, int(await child.stdout.readline())))
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns when it holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def free_port() -> int:
    """Nobody listens there."""
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])


def ask(flock: Flock, operation: Operation[Say, Said], count: int) -> list[asyncio.Task[Said]]:
    """Questions that are answered after a second."""
    question = Say("slow", seconds=1.0)
    return [asyncio.create_task(flock.call(operation, question, Deadline.after(30))) for _ in range(count)]


async def test_provider_is_killed(flock: Flock) -> None:
    """Of what a killed process was asked, the idempotent questions are answered by another one; the others are not
    asked again, and fail at once."""
    async with other_process(flock) as child:
        assert (await flock.say("who?")).by == str(child.pid)
        asked, asked_once = ask(flock, ECHO, 50), ask(flock, ONCE, 50)
        await asyncio.sleep(0.2)
        home = Parrot("home")
        await flock.join(home)
        child.kill()
        failures = await asyncio.gather(*asked_once, return_exceptions=True)
        assert [type(one) for one in failures] == [Lost] * 50
        assert {answer.by for answer in await asyncio.gather(*asked)} == {"home"}
        assert len(home.heard) == 50


async def test_connection_breaks(flock: Flock) -> None:
    """When only the wire breaks, idempotent questions are asked again over a new one, and the others fail as lost."""
    parrot = Parrot()
    server = TripleServer(handlers(parrot))
    async with relay_to(await server.start(HERE, 0)) as relay:
        await flock.registry.register(INTERFACE, Provider(HERE, relay.port))
        asked, asked_once = ask(flock, ECHO, 20), ask(flock, ONCE, 20)
        await until(lambda: len(parrot.heard) == 40)
        relay.cut()
        failures = await asyncio.gather(*asked_once, return_exceptions=True)
        assert [type(one) for one in failures] == [Lost] * 20
        assert [answer.text for answer in await asyncio.gather(*asked)] == ["slow"] * 20
        assert len(parrot.heard) == 60
        await flock.caller.close()
    await server.stop(1)


async def test_sole_provider_is_restarted(flock: Flock) -> None:
    """Questions outlive the restart of the only process that answers them, at the address that it had."""
    server, provider = await flock.serve(Parrot("first"))
    assert (await flock.say("hello")).by == "first"
    await server.stop(1)
    asked = [asyncio.create_task(flock.say("hello", operation, seconds=15)) for operation in (ECHO, ONCE)]
    await asyncio.sleep(1)
    assert not any(one.done() for one in asked)
    await flock.serve(Parrot("second"), provider.port)
    assert [answer.by for answer in await asyncio.gather(*asked)] == ["second", "second"]


async def test_sole_provider_stays_away(flock: Flock) -> None:
    """A question to a process that is gone for good fails by its deadline, and was not taken."""
    server, _ = await flock.serve(Parrot())
    await server.stop(1)
    with pytest.raises(ServiceUnavailable, match="no connection could be made"):
        await flock.say("hello", ONCE, seconds=1)


async def test_dead_address_costs_nothing(flock: Flock) -> None:
    """With one provider dead that the registry still names, no question fails and none is late."""
    await flock.join(Parrot("alive"))
    await flock.registry.register(INTERFACE, Provider(HERE, free_port()))
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = [await flock.say(str(number), operation) for number in range(40) for operation in (ECHO, ONCE)]
    assert {answer.by for answer in answers} == {"alive"}
    assert loop.time() - began < 5


async def test_silent_provider_rests(flock: Flock) -> None:
    """A process that stands still is asked in vain; then others are asked while it rests, and later it again."""
    async with other_process(flock) as child:
        far = (await flock.say("who?")).by
        child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.6)
        with pytest.raises(DeadlineExceeded, match="may have taken effect"):
            await flock.say("hello", seconds=0.5)
        await flock.join(Parrot("home"))
        assert {(await flock.say("hello")).by for _ in range(10)} == {"home"}
        child.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.6)
        assert {(await flock.say("hello")).by for _ in range(10)} == {"home", far}


async def test_stopping_process_takes_nothing(flock: Flock) -> None:
    """A process that stops answers what it has, while new questions, idempotent or not, go to another at once."""
    stopping, staying = Parrot("stopping"), Parrot("staying")
    server, _ = await flock.serve(stopping)
    accepted = ask(flock, ONCE, 20)
    await until(lambda: len(stopping.heard) == 20)
    await flock.join(staying)
    closing = asyncio.create_task(server.stop(8))
    answers = [await flock.say(str(number), ONCE) for number in range(10)]
    assert {answer.by for answer in answers} == {"staying"}
    assert {answer.by for answer in await asyncio.gather(*accepted)} == {"stopping"}
    await closing
    assert len(stopping.heard) == 20


async def test_leaver_finishes(flock: Flock) -> None:
    """A provider that leaves the registry answers what it was asked, and is asked nothing more."""
    leaver = Parrot("leaver")
    _, provider = await flock.serve(leaver)
    asked = ask(flock, ONCE, 20)
    await until(lambda: len(leaver.heard) == 20)
    await flock.join(Parrot("home"))
    await flock.registry.withdraw(INTERFACE, provider)
    assert {(await flock.say("hello", ONCE)).by for _ in range(10)} == {"home"}
    assert {answer.by for answer in await asyncio.gather(*asked)} == {"leaver"}


async def test_closed_door_leaves_nothing_open(flock: Flock) -> None:
    """A door that closes answers what was asked, and its address is free for the next process, at once."""
    door = await flock.join(Parrot("first"))
    asked = ask(flock, ONCE, 20)
    await asyncio.sleep(0.2)
    await door.close()
    await door.close()
    assert {answer.by for answer in await asyncio.gather(*asked)} == {"first"}
    assert flock.caller.missing(["parrot"]) == ["parrot"]


async def test_nobody_offers(flock: Flock) -> None:
    """A question that nobody can answer fails in bounded time and says what to start."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ServiceUnavailable, match=r"nobody offers makegood\.Parrot: start a process that serves parrot"):
        await flock.say("hello", seconds=30)
    assert loop.time() - began < 5


async def test_provider_comes_meanwhile(flock: Flock) -> None:
    """Questions that nobody can answer yet are answered by the first provider that comes."""
    asked = [*ask(flock, ECHO, 10), *ask(flock, ONCE, 10)]
    await asyncio.sleep(0.3)
    await flock.join(Parrot("newcomer"))
    assert {answer.by for answer in await asyncio.gather(*asked)} == {"newcomer"}


async def test_who_is_missing(flock: Flock) -> None:
    """Those services are missing that were watched for and have no provider."""
    await flock.caller.know(["parrot", "stock"])
    assert flock.caller.missing(["parrot", "stock"]) == ["parrot", "stock"]
    await flock.join(Parrot())
    assert flock.caller.missing(["parrot", "stock"]) == ["stock"]
