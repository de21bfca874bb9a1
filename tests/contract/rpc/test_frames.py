"""The stream between two processes, seen from the other end of the wire."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.contracts import Operation
from makegood.engine.deadline import Deadline
from makegood.engine.errors import DeadlineExceeded, OperationFailed, Overloaded, ServiceUnavailable
from makegood.engine.registry.port import Provider
from makegood.engine.rpc.triple import frames
from makegood.engine.rpc.triple.channel import OPTIONS
from makegood.engine.rpc.triple.frames import MAX_MESSAGE, Answer, Ask, NotTaken
from makegood.engine.rpc.triple.names import CALLS
from makegood.engine.rpc.triple.stream import MOST_ASKED
from tests.contract.rpc.parrot import ECHO, HERE, INTERFACE, ONCE, SECRET, Flock, Parrot, Said, Say

Stream = grpc.aio.StreamStreamCall[bytes, bytes]
Context = grpc.aio.ServicerContext[bytes, bytes]


def question(number: int, operation: object = ECHO, asked: object = Say("hi"), remaining: int = 5_000) -> Ask:
    """A question as it travels."""
    return Ask(number, str(operation), remaining, "", msgspec.Raw(frames.encode(asked)))


def said(number: int, text: str) -> Answer:
    """An answer as it travels."""
    return Answer(number, frames.ANSWERED, msgspec.Raw(frames.encode(Said(text))))


@asynccontextmanager
async def stream_to(flock: Flock, parrot: Parrot) -> AsyncGenerator[Stream]:
    """A stream to a real server, on which a test writes its own frames."""
    _, provider = await flock.serve(parrot)
    async with grpc.aio.insecure_channel(f"{HERE}:{provider.port}", options=OPTIONS) as channel:
        stream: Stream = channel.stream_stream(CALLS)()
        yield stream
        stream.cancel()


async def read(stream: Stream, count: int) -> tuple[dict[int, Answer], int]:
    """So many answers by their number, and in how many frames they came."""
    found: dict[int, Answer] = {}
    frames_read = 0
    async with asyncio.timeout(20):
        while len(found) < count:
            frame = await stream.read()
            assert isinstance(frame, bytes), "the stream has ended"
            frames_read += 1
            found |= {answer.number: answer for answer in frames.answers.decode(frame)}
    return found, frames_read


@asynccontextmanager
async def played(flock: Flock, play: Callable[[Context], Any]) -> AsyncGenerator[None]:
    """A provider whose end of the stream the test plays."""

    async def stream(_: object, context: Context) -> None:
        await play(context)

    server = grpc.aio.server()
    name, _, method = CALLS[1:].partition("/")
    handler = grpc.method_handlers_generic_handler(name, {method: grpc.stream_stream_rpc_method_handler(stream)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port(f"{HERE}:0")
    await server.start()
    await flock.registry.register(INTERFACE, Provider(HERE, port))
    try:
        yield
    finally:
        await flock.caller.close()
        await server.stop(0)


async def test_many_questions_a_frame(flock: Flock) -> None:
    """What is asked while the stream is busy goes in few frames, and a frame has 256 questions at most."""
    sizes: list[int] = []

    async def play(context: Context) -> None:
        while isinstance(frame := await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
            asks = frames.asks.decode(frame)
            sizes.append(len(asks))
            await context.write(frames.encode([said(ask.number, "yes") for ask in asks]))

    async with played(flock, play):
        answers = await asyncio.gather(*[flock.say(str(number), seconds=20) for number in range(3_000)])
        assert [answer.text for answer in answers] == ["yes"] * 3_000
    assert sum(sizes) == 3_000
    assert max(sizes) <= 256
    assert len(sizes) < 60


async def test_many_answers_a_frame(flock: Flock) -> None:
    """Answers that are ready together go in few frames."""
    async with stream_to(flock, Parrot()) as stream:
        await stream.write(frames.encode([question(number) for number in range(2_000)]))
        answers, frames_read = await read(stream, 2_000)
        assert sorted(answers) == list(range(2_000))
        assert frames_read < 40


async def test_bad_question_in_a_good_frame(flock: Flock) -> None:
    """A question that its operation cannot be asked, or that nobody offers, is refused; its neighbours are answered."""
    parrot = Parrot()
    async with stream_to(flock, parrot) as stream:
        await stream.write(
            frames.encode(
                [
                    question(1),
                    question(2, asked={"text": 7}),
                    question(3, asked=[]),
                    question(4, "parrot.Nothing"),
                    question(5, SECRET),
                    question(6, remaining=-5),
                    question(7, asked=Say("last")),
                ]
            )
        )
        answers, _ = await read(stream, 7)
    kinds = [answers[number].kind for number in range(1, 8)]
    assert kinds == ["", "OperationFailed", "OperationFailed", "NotTaken", "NotTaken", "DeadlineExceeded", ""]
    assert "cannot be asked this" in answers[2].text
    assert parrot.heard == ["hi", "hi", "last"]


@pytest.mark.parametrize(
    "frame", [b"", b"\xc1", b"\x00", frames.encode({"a": 1}), frames.encode([[1, 2]]), b"\x91\x95\x01\xa1\xff"]
)
async def test_malformed_frame(flock: Flock, frame: bytes) -> None:
    """Who sends what is no frame loses its own stream, with the reason; others' questions are answered."""
    parrot = Parrot()
    async with stream_to(flock, parrot) as stream:
        other = asyncio.create_task(flock.call(ECHO, Say("other", seconds=0.3), Deadline.after(10)))
        while not parrot.heard:
            await asyncio.sleep(0.01)
        await stream.write(frame)
        with pytest.raises(grpc.aio.AioRpcError, match="no frame of questions"):
            await stream.read()
        assert (await other).text == "other"


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    """Reading a frame raises nothing but what the stream's end is made of."""
    for decoder in (frames.asks, frames.answers):
        try:
            decoder.decode(data)
        except frames.UNREADABLE:
            continue


async def test_unknown_fields_are_left_out(flock: Flock) -> None:
    """A newer process may say more, and an older one less: what has a default may be missing."""
    newer = {"text": "hi", "seconds": 0, "colour": "green"}
    async with stream_to(flock, Parrot()) as stream:
        await stream.write(frames.encode([question(1, asked=newer), question(2, asked={"text": "old"})]))
        answers, _ = await read(stream, 2)
    assert [answers[number].kind for number in (1, 2)] == ["", ""]


async def test_oversize_question(flock: Flock) -> None:
    """A question that is too large is refused by its own process, and the others go through."""
    parrot = Parrot()
    await flock.join(parrot)
    with pytest.raises(OperationFailed, match="ask in parts"):
        await flock.say("x" * MAX_MESSAGE)
    assert (await flock.say("small")).text == "small"
    assert parrot.heard == ["small"]


async def test_large_question_and_answer(flock: Flock) -> None:
    """Just below the limit, a question and its answer arrive whole."""
    await flock.join(Parrot())
    text = "x" * (MAX_MESSAGE - 1_000)
    assert (await flock.say(text, seconds=30)).text == text


async def test_answer_that_cannot_be_sent(flock: Flock) -> None:
    """An answer that is too large or has no form fails its own question; the others are answered, and stopping ends."""
    huge, odd = Operation("parrot", "Huge", Say, Said), Operation("parrot", "Odd", Say, Said)

    async def give_huge(_: Say, __: Deadline) -> Said:
        return Said("x" * MAX_MESSAGE)

    async def give_odd(_: Say, __: Deadline) -> Any:
        return 1 << 70

    await flock.join(Parrot(), also={huge: give_huge, odd: give_odd})
    other = asyncio.create_task(flock.call(ECHO, Say("other", seconds=0.3), Deadline.after(10)))
    with pytest.raises(OperationFailed, match="ask for less"):
        await flock.say("hello", huge)
    with pytest.raises(OperationFailed, match="cannot be sent"):
        await flock.say("hello", odd)
    assert (await other).text == "other"


async def test_answer_of_another_type(flock: Flock) -> None:
    """An answer that the contract does not allow fails its question alone."""

    async def play(context: Context) -> None:
        while isinstance(frame := await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
            for ask in frames.asks.decode(frame):
                text = msgspec.msgpack.decode(ask.request, type=Say).text
                odd = Answer(ask.number, frames.ANSWERED, msgspec.Raw(frames.encode({"text": 7})))
                stranger = said(ask.number + 1_000_000, "nobody asked")
                answer = odd if text == "odd" else said(ask.number, text)
                await context.write(frames.encode([stranger, answer, answer]))

    async with played(flock, play):
        with pytest.raises(OperationFailed, match="was answered what it cannot be"):
            await flock.say("odd")
        assert (await flock.say("good")).text == "good"


@pytest.mark.parametrize("nonsense", [b"\xc1", b"\x91\x93\x01\xa1\xff\xc0"])
async def test_provider_talks_nonsense(flock: Flock, nonsense: bytes) -> None:
    """A provider whose frames cannot be read is lost: its questions fail, or go to another one."""

    async def play(context: Context) -> None:
        await context.read()
        await context.write(nonsense)
        await context.read()

    async with played(flock, play):
        with pytest.raises(ServiceUnavailable, match="was lost"):
            await flock.say("hello", ONCE)
        await flock.join(Parrot("home"))
        assert (await flock.say("hello")).by == "home"


async def test_unknown_kind_of_error(flock: Flock) -> None:
    """An error that only a newer process knows is a failed operation here."""

    async def play(context: Context) -> None:
        while isinstance(frame := await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
            asks = frames.asks.decode(frame)
            await context.write(frames.encode([Answer(ask.number, "Melted", frames.NOTHING, "hot") for ask in asks]))

    async with played(flock, play):
        with pytest.raises(OperationFailed, match="hot"):
            await flock.say("hello")


async def test_provider_is_silent(flock: Flock) -> None:
    """A provider that reads and never answers costs its askers their deadlines, not more; there is a limit to them."""

    async def play(context: Context) -> None:
        while isinstance(await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
            pass

    async with played(flock, play):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await flock.caller.know(["parrot"])
        asked = [asyncio.create_task(flock.say("hello", seconds=3)) for _ in range(MOST_ASKED)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="ask again later"):
            await flock.say("one more")
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in failures} == {DeadlineExceeded}
        assert loop.time() - began < 12
        with pytest.raises(DeadlineExceeded):
            await flock.say("there is room again", seconds=0.2)


async def test_inner_failure_is_not_ones_own(flock: Flock) -> None:
    """What an operation could not ask of a third process is no reason to ask it again: it was begun."""
    outer = Operation("parrot", "Outer", Say, Said, idempotent=False)
    begun: list[str] = []

    async def ask_another(request: Say, _: Deadline) -> Said:
        begun.append(request.text)
        raise NotTaken("a third process stops")

    await flock.join(Parrot(), also={outer: ask_another})
    with pytest.raises(ServiceUnavailable, match="third") as raised:
        await flock.say("hello", outer)
    assert type(raised.value) is ServiceUnavailable
    assert begun == ["hello"]


async def test_goodbye(flock: Flock) -> None:
    """A process that stops says so, refuses what comes, answers what it has, and ends when its callers have left."""
    server, provider = await flock.serve(Parrot())
    async with grpc.aio.insecure_channel(f"{HERE}:{provider.port}") as channel:
        stream: Stream = channel.stream_stream(CALLS)()
        await stream.write(frames.encode([question(1, asked=Say("slow", seconds=1.5))]))
        await asyncio.sleep(0.2)
        stopping = asyncio.create_task(server.stop(8))
        assert (await read(stream, 1))[0].keys() == {frames.GOODBYE}
        await stream.write(frames.encode([question(2)]))
        assert (await read(stream, 1))[0][2].kind == "NotTaken"
        await stream.done_writing()
        assert (await read(stream, 1))[0][1].kind == frames.ANSWERED
        assert not isinstance(await stream.read(), bytes)
        await asyncio.wait_for(stopping, 0.9)


async def test_provider_says_goodbye(flock: Flock) -> None:
    """To a process that says it stops nothing more is sent, not even what waited; its last answers are taken."""
    asked: list[str] = []
    left = asyncio.Event()

    async def play(context: Context) -> None:
        first = await context.read()
        await context.write(frames.encode([frames.LEAVING]))
        while isinstance(frame := await context.read(), bytes):  # pyright: ignore[reportUnnecessaryIsInstance] - its end is none
            asked.extend(msgspec.msgpack.decode(ask.request, type=Say).text for ask in frames.asks.decode(frame))
        left.set()
        await context.write(frames.encode([said(ask.number, "last") for ask in frames.asks.decode(first)]))

    async with played(flock, play):
        last = asyncio.create_task(flock.say("first", ONCE))
        await asyncio.wait_for(left.wait(), 5)
        assert (await last).text == "last"
        await flock.join(Parrot("home"))
        assert {(await flock.say("more", ONCE)).by for _ in range(5)} == {"home"}
    assert asked == []


async def test_bug_is_a_failed_operation(flock: Flock) -> None:
    """An exception that is none of the engine's arrives as a failed operation."""
    buggy = Operation("parrot", "Buggy", Say, Said)

    async def fail(request: Say, _: Deadline) -> Said:
        raise KeyError(request.text)

    await flock.join(Parrot(), also={buggy: fail})
    with pytest.raises(OperationFailed, match="hello"):
        await flock.say("hello", buggy)


async def test_reader_that_stands_still(flock: Flock, caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for much and reads nothing is cut off, and hears of it when it reads; others are answered meanwhile."""
    text = "x" * 2_000_000
    async with stream_to(flock, Parrot()) as greedy:

        async def ask_on() -> None:
            for number in range(1, 201):
                await greedy.write(frames.encode([question(number, asked=Say(text))]))

        asking = asyncio.create_task(ask_on())
        async with asyncio.timeout(20):
            while "it is cut off" not in caplog.text:
                await asyncio.sleep(0.02)
        assert (await flock.say("other", seconds=20)).text == "other"
        with pytest.raises(grpc.aio.AioRpcError):
            await read(greedy, 100)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
