"""The remoting protocol over real sockets, with a server that misbehaves."""

import asyncio
import struct
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from makegood.engine.broker.rocketmq.remoting import MAX_FRAME, Remoting, read_json
from makegood.engine.errors import BrokerUnavailable

Reply = Callable[[int, dict[str, object]], bytes | None]


@asynccontextmanager
async def server(reply: Reply) -> AsyncGenerator[Remoting]:
    """A client of a server that answers the nth request on any connection with these bytes, or hangs up."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            try:
                (total,) = struct.unpack(">i", await reader.readexactly(4))
                data = await reader.readexactly(total)
            except asyncio.IncompleteReadError:
                break
            length = struct.unpack(">i", data[:4])[0]
            count += 1
            if (answer := reply(count, msgspec.json.decode(data[4 : 4 + length]))) is None:
                break
            writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    remoting = Remoting((host, port), 1.0)
    yield remoting
    remoting.close()
    listening.close()


def _answer(body: bytes, code: int = 0) -> bytes:
    head = msgspec.json.encode({"code": code, "remark": "r", "extFields": {"offset": "7"}})
    return struct.pack(">ii", 4 + len(head) + len(body), len(head)) + head + body


async def test_request_and_answer() -> None:
    """The request's code and fields arrive, and the answer's code, fields and body come back."""
    heard: list[dict[str, object]] = []

    def reply(_: int, head: dict[str, object]) -> bytes:
        heard.append(head)
        return _answer(b'{"brokerAddrs":{0:"ip:1",-1:"ip:2"}}', 3)

    async with server(reply) as remoting:
        answer = await remoting.call(105, {"topic": "orders"})
    assert (heard[0]["code"], heard[0]["extFields"]) == (105, {"topic": "orders"})
    assert (answer.code, answer.remark, answer.fields) == (3, "r", {"offset": "7"})
    assert answer.json() == {"brokerAddrs": {"0": "ip:1", "-1": "ip:2"}}


async def test_a_connection_that_was_closed_is_made_again() -> None:
    """A server that has hung up meanwhile is asked again on a new connection, and nobody notices."""
    async with server(lambda count, _: None if count == 2 else _answer(str(count).encode())) as remoting:
        assert (await remoting.call(1)).body == b"1"
        assert (await remoting.call(2)).body == b"3"


@pytest.mark.parametrize(
    "reply",
    [
        None,
        b"",
        struct.pack(">i", MAX_FRAME + 1),
        struct.pack(">i", -1),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">ii", 8, 4) + b"{{{{",
    ],
    ids=["hangs up", "says nothing", "too large", "negative", "not RocketMQ", "no JSON"],
)
async def test_no_answer(reply: bytes | None) -> None:
    """A server that hangs up, is silent or talks nonsense is BrokerUnavailable within the timeout."""
    async with server(lambda _, __: reply) as remoting:
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await remoting.call(1)
        assert time.monotonic() - began < 3


async def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    """After a timeout the next request gets its own answer, not the late one of the first."""
    gate: list[bytes] = [b"", _answer(b"second")]
    async with server(lambda count, _: gate[count - 1]) as remoting:
        with pytest.raises(BrokerUnavailable):
            await remoting.call(1)
        assert (await remoting.call(2)).body == b"second"


def test_what_is_no_json() -> None:
    """A body that is no JSON is BrokerUnavailable, with what to check."""
    with pytest.raises(BrokerUnavailable, match="check"):
        read_json(b"<html>")
