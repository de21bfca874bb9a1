"""The load generator, against a real server."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import pytest

from makegood.bench.errors import BenchError
from makegood.bench.generator import Generator
from tests.unit.bench.server import Answer, request, response, serving


@asynccontextmanager
async def connected(answer: Answer, connections: int) -> AsyncGenerator[Generator]:
    """Connections to a server that answers so."""
    async with serving(answer) as url:
        generator = Generator(url)
        await generator.open(connections)
        try:
            yield generator
        finally:
            generator.close()


def bodies(count: int) -> Iterator[bytes]:
    """So many requests, numbered."""
    return (request(str(number).encode()) for number in range(count))


async def test_each_request_is_answered_once() -> None:
    """Every request is sent once, over as many connections as there are, and its answer is counted by status."""
    came: list[bytes] = []

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        came.append(body)
        writer.write(response(201 if int(body) % 3 else 409, b"x" * 10))

    left = bodies(100)
    async with connected(answer, 7) as generator:
        driven = await generator.drive(lambda: next(left, None))
    assert sorted(came, key=int) == [str(number).encode() for number in range(100)]
    assert dict(driven.statuses) == {201: 66, 409: 34}
    assert (driven.answers, driven.in_time, driven.answer_bytes) == (100, 100, 1000)
    assert driven.seconds > 0
    assert driven.percentile(0.0) <= driven.percentile(0.5) <= driven.percentile(0.99)


async def test_one_request_at_a_time_on_each_connection() -> None:
    """A connection sends its next request only when the last one is answered."""
    under_way = most = 0

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        writer.write(response(200, body))

    left = bodies(60)
    async with connected(answer, 5) as generator:
        await generator.drive(lambda: next(left, None))
    assert most == 5


async def test_an_answer_in_pieces() -> None:
    """An answer that comes in pieces is put together."""

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in response(200, body):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    left = bodies(3)
    async with connected(answer, 1) as generator:
        driven = await generator.drive(lambda: next(left, None))
    assert driven.examples == {200: [b"0", b"1", b"2"]}


async def test_a_run_ends_by_time_and_another_follows() -> None:
    """Sending ends with the time, all answers are waited for, and the connections serve another run."""

    async def answer(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, body))

    async with connected(answer, 3) as generator:
        first = await generator.drive(lambda: request(b"0"), seconds=0.05)
        second = await generator.drive(lambda: request(b"0"), seconds=0.05)
    for driven in (first, second):
        assert driven.answers == driven.statuses[200] > 0
        assert driven.answers - driven.in_time <= 3


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        response(200, b"") * 2,
        b"x" * 20_000,
    ],
)
async def test_what_is_not_understood_ends_the_run(said: bytes) -> None:
    """An answer of another kind is an error that says so, not a wrong figure."""

    async def answer(_body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    async with connected(answer, 1) as generator:
        with pytest.raises(BenchError, match="no server that the bench knows"):
            await generator.drive(lambda: request(b"0"))


async def test_a_connection_that_ends() -> None:
    """A server that closes a connection in a run is an error that says where to look."""

    async def answer(_body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with connected(answer, 2) as generator:
        with pytest.raises(BenchError, match="ended a connection"):
            await generator.drive(lambda: request(b"0"))


async def test_nobody_listens() -> None:
    """A server that takes no connection is an error that says what to do."""
    with pytest.raises(BenchError, match="fewer --buyers"):
        await Generator("http://127.0.0.1:9").open(1)
