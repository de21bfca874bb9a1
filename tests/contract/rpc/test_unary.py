"""What other languages see: protobuf and a gRPC call for each question, both ways."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import grpc
import grpc.aio
import msgspec
import pytest

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, EngineError, OperationFailed, Overloaded, ServiceUnavailable
from makegood.engine.registry.port import Provider
from makegood.engine.rpc.port import Handler
from makegood.engine.rpc.protobuf.catalogue import shop_catalogue
from makegood.engine.rpc.triple import TripleDoor
from makegood.engine.rpc.triple.frames import MAX_MESSAGE, Lost, NotTaken
from makegood.engine.rpc.triple.server import TripleServer
from makegood.shop.stock.contracts import DEDUCT, DeductStock, StockDeducted
from makegood.shop.types import Line
from tests.contract.rpc.parrot import ECHO, ERRORS, FAIL, HERE, ONCE, SECRET, Flock, Parrot, Said, Say, handlers
from tests.contract.rpc.test_answers import TRACE

ABROAD = "org.example.Parrot"


class Tell(msgspec.Struct, frozen=True):
    """A short number, told to somebody else's service."""

    number: Annotated[int, msgspec.Meta(ge=1)]


class Told(msgspec.Struct, frozen=True):
    """What it was told."""

    number: int


TELL = Operation("org.example.Diary", "tellIt", Tell, Told)


def abroad(operation: Operation[Say, Said]) -> Operation[Say, Said]:
    """The same, of an interface of somebody else's making."""
    return replace(operation, service=ABROAD)


def foreign_handlers(parrot: Parrot) -> dict[Operation[Any, Any], Handler]:
    """How a parrot answers under that interface."""
    return {replace(operation, service=ABROAD): handler for operation, handler in handlers(parrot).items()}


@asynccontextmanager
async def served(
    flock: Flock, offers: Mapping[Operation[Any, Any], Handler]
) -> AsyncGenerator[tuple[TripleServer, grpc.aio.Channel]]:
    """A server, and a plain gRPC channel to it, as another language's client has."""
    server = TripleServer(offers)
    port = await server.start(HERE, 0)
    await flock.registry.register(ABROAD, Provider(HERE, port))
    try:
        async with grpc.aio.insecure_channel(f"{HERE}:{port}") as channel:
            yield server, channel
    finally:
        await server.stop(5)


async def test_shop_operation_as_protobuf(flock: Flock) -> None:
    """`/makegood.Stock/Deduct` answers a gRPC client with the messages of the `.proto` files."""
    asked: list[DeductStock] = []

    async def deduct(request: DeductStock, _: Deadline) -> StockDeducted:
        asked.append(request)
        return StockDeducted(refusal="out_of_stock")

    request = DeductStock(1, "alice", (Line("tea", 2, 100), Line("pot", 1, 900)), 10**12)
    messages = shop_catalogue().messages(DEDUCT)
    assert messages is not None
    async with served(flock, {DEDUCT: deduct}) as (_, channel):
        answer = await channel.unary_unary("/makegood.Stock/Deduct")(messages.request.encode(request), timeout=5)
    assert messages.answer.decode(answer) == StockDeducted(refusal="out_of_stock")
    assert asked == [request]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("Overloaded", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("DeadlineExceeded", grpc.StatusCode.DEADLINE_EXCEEDED),
        ("ServiceUnavailable", grpc.StatusCode.UNAVAILABLE),
        ("DatabaseError", grpc.StatusCode.UNAVAILABLE),
        ("DuplicateKey", grpc.StatusCode.UNAVAILABLE),
        ("OperationFailed", grpc.StatusCode.INTERNAL),
    ],
)
async def test_errors_are_statuses(flock: Flock, name: str, status: grpc.StatusCode) -> None:
    """Each error has its gRPC status and its words; an overloaded process says when to come back."""
    async with served(flock, foreign_handlers(Parrot())) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError, match="polly") as raised:
            await channel.unary_unary(f"/{ABROAD}/Fail")(b"\x0a" + bytes([len(name)]) + name.encode(), timeout=5)
    assert raised.value.code() is status
    trailing = dict(raised.value.trailing_metadata() or ())
    assert trailing.get("grpc-retry-pushback-ms") == ("7500" if name == "Overloaded" else None)


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05abc", b"\x08\x00", b""], ids=repr)
async def test_bad_input(flock: Flock, body: bytes) -> None:
    """What is no such message, or one that its contract does not allow, is an invalid argument; nothing is called."""
    told: list[Tell] = []

    async def tell(request: Tell, _: Deadline) -> Told:
        told.append(request)
        return Told(request.number)

    async with served(flock, {TELL: tell}) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary("/org.example.Diary/tellIt")(body, timeout=5)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert told == []
        assert await channel.unary_unary("/org.example.Diary/tellIt")(b"\x08\x07", timeout=5) == b"\x08\x07"


@pytest.mark.parametrize(
    "method", [f"/{ABROAD}/Nothing", f"/{ABROAD}/Secret", f"/{ABROAD}/echo", "/makegood.Parrot/Echo", "/x", ""]
)
async def test_unknown_methods(flock: Flock, method: str) -> None:
    """What nobody offers, what is private, another spelling, and what no file describes are all unimplemented."""
    parrot = Parrot()
    async with served(flock, {**handlers(parrot), **foreign_handlers(parrot)}) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await channel.unary_unary(method)(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert SECRET not in handlers(parrot)
    assert parrot.heard == []


@pytest.mark.parametrize(("timeout", "least", "most"), [(None, 4, 5), (3, 1, 3), (3_600, 50, 60)])
async def test_how_long_a_caller_waits(flock: Flock, timeout: float | None, least: float, most: float) -> None:
    """The deadline is the caller's own, five seconds without one, a minute at most."""
    given: list[float] = []

    async def tell(request: Tell, deadline: Deadline) -> Told:
        given.append(deadline.remaining())
        return Told(request.number)

    async with served(flock, {TELL: tell}) as (_, channel):
        await channel.unary_unary("/org.example.Diary/tellIt")(b"\x08\x01", timeout=timeout)
    assert least < given[0] < most + 0.1


async def test_metadata(flock: Flock) -> None:
    """What Dubbo sends along does no harm, and `traceparent` puts the call into its trace."""
    metadata = (
        ("tri-service-version", "1.0.0"),
        ("tri-consumer-appname", "shop"),
        ("tri-bin-bin", b"\x00\xff"),
        ("traceparent", TRACE),
    )
    async with served(flock, foreign_handlers(Parrot())) as (_, channel):
        call = channel.unary_unary(f"/{ABROAD}/Echo")
        traced = await call(b"\x0a\x02hi", timeout=5, metadata=metadata)
        odd = await call(b"\x0a\x02hi", timeout=5, metadata=(("traceparent", "nonsense"),))
    assert TRACE.encode() in traced
    assert b"nonsense" not in odd


async def test_caller_has_gone(flock: Flock) -> None:
    """What was begun for a caller that is gone goes on to its end."""
    parrot, ended = Parrot(), asyncio.Event()

    async def slowly(request: Say, deadline: Deadline) -> Said:
        answer = await parrot.echo(request, deadline)
        ended.set()
        return answer

    offers = foreign_handlers(parrot) | {abroad(ONCE): slowly}
    async with served(flock, offers):
        asked = asyncio.create_task(flock.call(abroad(ONCE), Say("hi", seconds=0.3), Deadline.after(5)))
        while not parrot.heard:
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.wait_for(ended.wait(), 5)


async def test_accepted_call_is_answered_at_the_stop(flock: Flock) -> None:
    """A process that stops answers what it has taken, and is unavailable for the rest."""
    parrot = Parrot()
    async with served(flock, foreign_handlers(parrot)) as (server, _):
        accepted = asyncio.create_task(flock.call(abroad(ONCE), Say("hi", seconds=0.5), Deadline.after(5)))
        while not parrot.heard:
            await asyncio.sleep(0.01)
        stopping = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceUnavailable):
            await flock.call(abroad(ONCE), Say("more"), Deadline.after(0.3))
        assert (await accepted).text == "hi"
        await stopping
    assert parrot.heard == ["hi"]


async def test_leaver_answers_a_moment_longer(flock: Flock) -> None:
    """A door that closes answers what comes before other languages' callers have heard of it, and no longer."""
    parrot = Parrot()
    door = TripleDoor(flock.registry, HERE, HERE, leave=0.5)
    told: list[Provider] = []
    await flock.registry.watch(ABROAD, told.extend)
    await door.open(foreign_handlers(parrot))
    async with grpc.aio.insecure_channel(f"{HERE}:{told[0].port}") as channel:
        closing = asyncio.create_task(door.close())
        await asyncio.sleep(0.1)
        assert b"late" in await channel.unary_unary(f"/{ABROAD}/Once")(b"\x0a\x04late", timeout=5)
        await closing
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await channel.unary_unary(f"/{ABROAD}/Once")(b"\x0a\x04more", timeout=5)


async def test_foreign_provider_answers(flock: Flock) -> None:
    """An operation of somebody else's interface is asked in protobuf, at its own name, many at a time."""
    async with served(flock, foreign_handlers(Parrot("stranger"))):
        calls = [flock.call(abroad(ECHO), Say(str(number), 0.05), Deadline.after(10)) for number in range(200)]
        answers = await asyncio.gather(*calls)
    assert [(answer.text, answer.by) for answer in answers] == [(str(number), "stranger") for number in range(200)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Overloaded", Overloaded),
        ("DeadlineExceeded", DeadlineExceeded),
        ("ServiceUnavailable", Lost),
        ("DatabaseError", Lost),
        ("OperationFailed", OperationFailed),
    ],
)
async def test_statuses_are_errors(flock: Flock, name: str, kind: type[EngineError]) -> None:
    """A foreign provider's statuses are the engine's errors."""
    parrot = Parrot()
    once = replace(abroad(FAIL), idempotent=False)
    async with served(flock, foreign_handlers(parrot)):
        with pytest.raises(kind) as raised:
            await flock.call(once, Say(name), Deadline.after(5))
    assert parrot.heard == [name]
    assert not isinstance(raised.value, Overloaded) or raised.value.retry_after == 7.5
    assert name in ERRORS


async def test_foreign_provider_leaves(flock: Flock) -> None:
    """One that leaves the registry answers what it was asked, and then its connection is closed."""
    parrot = Parrot()
    once = abroad(ONCE)
    async with served(flock, foreign_handlers(parrot)):
        told: list[Provider] = []
        await flock.registry.watch(ABROAD, told.extend)
        await flock.call(once, Say("hi"), Deadline.after(5))
        asked = asyncio.create_task(flock.call(once, Say("last", seconds=0.3), Deadline.after(5)))
        while len(parrot.heard) < 2:
            await asyncio.sleep(0.01)
        await flock.registry.withdraw(ABROAD, told[0])
        assert (await asked).text == "last"
        async with asyncio.timeout(2):
            while [task for task in asyncio.all_tasks() if task.get_name().startswith("leaving")]:
                await asyncio.sleep(0.01)


async def test_foreign_provider_is_slow(flock: Flock) -> None:
    """The deadline ends the wait for a foreign provider."""

    async def never(_: Say, __: Deadline) -> Said:
        await asyncio.sleep(2)
        return Said("late")

    async with served(flock, {abroad(ECHO): never}):
        with pytest.raises(DeadlineExceeded, match="may have taken effect"):
            await flock.call(abroad(ECHO), Say("hi"), Deadline.after(0.2))


async def test_foreign_provider_is_not_there(flock: Flock) -> None:
    """One that cannot be reached, or does not know the method, was surely not asked; another answers."""
    nowhere, lesser = Provider(HERE, 1), TripleServer({abroad(ONCE): Parrot().once})
    await flock.registry.register(ABROAD, nowhere)
    with pytest.raises(NotTaken, match="no connection could be made"):
        await flock.call(abroad(ONCE), Say("hi"), Deadline.after(0.5))
    await flock.registry.register(ABROAD, Provider(HERE, await lesser.start(HERE, 0)))
    with pytest.raises(NotTaken, match=r"UNIMPLEMENTED|no connection"):
        await flock.call(abroad(ECHO), Say("hi"), Deadline.after(0.5))
    async with served(flock, foreign_handlers(Parrot("knows"))):
        assert (await flock.call(abroad(ECHO), Say("hi"), Deadline.after(5))).by == "knows"
    await flock.caller.close()
    await lesser.stop(1)


async def test_foreign_answer_is_wrong(flock: Flock) -> None:
    """An answer that the contract does not allow is a failed operation."""
    wrong = Operation("org.example.Parrot", "Echo", Say, Tell)
    async with served(flock, foreign_handlers(Parrot())):
        with pytest.raises(OperationFailed, match="was answered what it cannot be"):
            await flock.call(wrong, Say("hi"), Deadline.after(5))


async def test_question_that_protobuf_cannot_hold(flock: Flock) -> None:
    """An integer beyond 64 bits, or more bytes than are allowed, is refused before anybody is asked."""
    with pytest.raises(OperationFailed, match="cannot be asked this"):
        await flock.call(TELL, Tell(1 << 70), Deadline.after(5))
    with pytest.raises(OperationFailed, match="ask in parts"):
        await flock.call(abroad(ECHO), Say("x" * MAX_MESSAGE), Deadline.after(5))
