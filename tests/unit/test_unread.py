"""What is read of a body that the application left, on a really listening server and message by message."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest

from makegood.unread import App, DiscardsUnread, Message, Receive, Scope, Send
from makegood.web.app import WebApp
from makegood.web.server import free_port, serve

BODY = [(b"content-length", b"6")]
CLOSE = (b"connection", b"close")
PARTS: list[Message] = [
    {"type": "http.request", "body": b"abc", "more_body": True},
    {"type": "http.request", "body": b"def", "more_body": False},
    {"type": "http.disconnect"},
]


class Served:
    """What `serve` wants of an application."""

    def __init__(self, app: App) -> None:
        self._app = DiscardsUnread(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await self._app(scope, receive, send)

    def drain(self) -> None:
        """Nothing is kept open."""


@asynccontextmanager
async def listening(app: App) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the listening application; both end with the context."""
    port, stop, ready = free_port("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    served = cast("WebApp", Served(app))
    server = asyncio.create_task(serve(served, "127.0.0.1", port, stop=stop, on_listening=ready.set))
    async with asyncio.timeout(10):
        await ready.wait()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        yield http
    stop.set()
    async with asyncio.timeout(10):
        await server


async def start(send: Send, status: int = 403) -> None:
    """Begins an answer."""
    await send({"type": "http.response.start", "status": status, "headers": []})


async def end(send: Send) -> None:
    """Ends it."""
    await send({"type": "http.response.body", "body": b""})


async def exchange(app: App, parts: list[Message], headers: list[tuple[bytes, bytes]]) -> tuple[Message, list[Message]]:
    """How the answer began, and what was left to receive."""
    left, sent = list(parts), list[Message]()

    async def receive() -> Message:
        await asyncio.sleep(0)
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await DiscardsUnread(app)({"type": "http", "headers": headers}, receive, send)
    return sent[0], left


def reading(count: int, status: int = 403) -> App:
    """An application that receives so many messages before it answers."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(count):
            await receive()
        await start(send, status)
        await end(send)

    return app


@pytest.mark.parametrize(
    ("read", "unread", "headers"),
    [
        (0, 1, BODY),
        (1, 1, BODY),
        (2, 1, BODY),
        (0, 1, [(b"transfer-encoding", b"chunked")]),
        (0, 3, []),
        (0, 3, [(b"content-length", b"0")]),
    ],
)
async def test_read_to_its_end(read: int, unread: int, headers: list[tuple[bytes, bytes]]) -> None:
    """However much the application has read, the rest is, and nothing behind it; without a body nothing is."""
    began, left = await exchange(reading(read), PARTS, headers)
    assert (began["headers"], len(left)) == ([], unread)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (408, BODY),
        (403, [*BODY, (b"expect", b"100-continue")]),
        (413, [(b"content-length", b"%d" % 10**30)]),
    ],
)
async def test_not_worth_reading(status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """A body that was waited for in vain, is held back, or is far too large is left, and the connection closes."""
    began, left = await exchange(reading(0, status), PARTS, headers)
    assert (began["headers"], left) == ([CLOSE], PARTS)


async def test_held_back_no_more() -> None:
    """Who was asked for a body with 100 sends it: it is read to its end."""
    began, left = await exchange(reading(1), PARTS, [*BODY, (b"expect", b"100-continue")])
    assert (began["headers"], len(left)) == ([], 1)


async def test_another_reader() -> None:
    """While a task of the application reads, nobody else does, and the connection closes."""
    heard: list[Message] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        async def read() -> None:
            heard.append(await receive())

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        await start(send)
        await reader

    began, left = await exchange(app, PARTS, BODY)
    assert (began["headers"], heard, left) == ([CLOSE], PARTS[:1], PARTS[1:])


async def test_leaving_is_told_again() -> None:
    """That the client left while its body was thrown away is told to who receives afterwards, as often as they ask."""
    heard: list[Message] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        heard.extend([await receive(), await receive()])

    _, left = await exchange(app, [PARTS[0], PARTS[2]], BODY)
    assert (heard, left) == ([PARTS[2]] * 2, [])


@pytest.mark.parametrize("size", [0, 1, 500_000])
@pytest.mark.parametrize("early", [False, True])
async def test_leaving_a_stream(size: int, early: bool) -> None:
    """Whose client leaves a stream hears of it, whether it waits from before the answer or behind the body."""
    left = asyncio.Event()

    async def until_left(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        waiting = asyncio.create_task(until_left(receive)) if early else None
        await asyncio.sleep(0.05)
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"on", "more_body": True})
        await (waiting or until_left(receive))

    async with listening(app) as http:
        async with http.stream("POST", "/", content=b"x" * size) as answer:
            assert await anext(answer.aiter_bytes()) == b"on"
        async with asyncio.timeout(5):
            await left.wait()
