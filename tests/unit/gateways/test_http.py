"""The platforms' HTTP client against real sockets: what it sends, what it keeps, and what its errors mean."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from makegood.engine.executor import InlineExecutor
from makegood.shop.payments.gateways.alipay import Alipay
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import GatewayUnavailable
from makegood.shop.payments.gateways.wire import MAX_ANSWER

from .platform import APP, MERCHANT_KEY, NOW, PLATFORM_KEY, SELLER, AlipaySettings, private_pem, public_pem

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answering = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that counts connections and keeps what it was sent."""

    def __init__(self, answer: Answering) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one connection's requests until either side closes it."""
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(next((line.split(b":")[1] for line in head.lower().split(b"\r\n")
                                   if line.startswith(b"content-length:")), b"0"))  # fmt: skip
                self.requests.append(head + await reader.readexactly(length))
                await self._answer(self.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answering) -> AsyncGenerator[Server]:
    """A server on 127.0.0.1, until the block ends."""
    server = Server(answer)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/gateway.do"
        yield server


def sends(*parts: bytes, close: bool = False) -> Answering:
    """Answers with these bytes, then closes the connection if it is to."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if close:
            writer.close()

    return answer


def alipay(server: Server, http: httpx.AsyncClient) -> Alipay:
    """The adapter, at that server."""
    keys = private_pem(MERCHANT_KEY), public_pem(PLATFORM_KEY.public_key())
    own = AlipaySettings(server.url, APP, SELLER, *keys, timeout=2.0)
    return Alipay(own, http, lambda: NOW, InlineExecutor().run)


async def test_request_is_sent_as_it_was_made() -> None:
    """Method, path, headers and body are the request's own, each header once."""
    async with serving(sends(OK)) as server, platform_client(2) as http:
        headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8", "accept-encoding": "identity"}
        answer = await http.post(f"{server.url}?a=%2F", content=b"k=v", headers=headers)
    assert (answer.status_code, answer.content, answer.reason_phrase) == (200, b"ok", "OK")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /gateway.do?a=%2f http/1.1"
    assert body == b"k=v"
    names = [line.partition(b":")[0] for line in lines[1:]]
    assert len(names) == len(set(names))
    for name, value in headers.items():
        assert f"{name}: {value}".encode() in lines


async def test_connections_are_kept_and_bounded() -> None:
    """One request after another uses one connection; many at once use no more than allowed."""
    async with serving(sends(OK)) as server, platform_client(3) as http:
        for _ in range(5):
            await http.get(server.url)
        assert server.connections == 1
        await asyncio.gather(*[http.get(server.url) for _ in range(20)])
        assert server.connections <= 3
        assert len(server.requests) == 25


async def test_answer_left_half_read_is_not_mixed_up() -> None:
    """A connection whose answer was not read to its end is closed: the next answer is the next request's own."""
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * (MAX_ANSWER + 1)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(long if b"gateway.do" in request else OK)

    async with serving(answer) as server, platform_client(1) as http:
        with pytest.raises(GatewayUnavailable, match="bytes"):
            await alipay(server, http).query("P1")
        async with http.stream("GET", server.url) as half:
            async for _ in half.aiter_raw():
                break
        assert (await http.get(server.url.replace("gateway.do", "other"))).content == b"ok"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (sends(close=True), httpx.RemoteProtocolError),
        (sends(b"220 mail.example ready\r\n\r\n"), httpx.RemoteProtocolError),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close=True), httpx.RemoteProtocolError),
        (sends(), httpx.ReadTimeout),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), httpx.ReadTimeout),
    ],
)
async def test_what_breaks_is_said_as_httpx_does(answer: Answering, kind: type[httpx.HTTPError]) -> None:
    """A server that leaves, babbles, stops half way or says nothing is an exception of httpx's with its request."""
    async with serving(answer) as server, platform_client(1) as http:
        with pytest.raises(kind) as caught:
            await http.post(server.url, content=b"x", timeout=0.3)
    assert str(caught.value)
    assert str(caught.value.request.url) == server.url


async def test_nobody_there() -> None:
    """A refused connection, and a name that does not exist, mean that nothing was sent."""
    async with serving(sends(OK)) as server:
        pass
    async with platform_client(1) as http:
        for url in (server.url, "http://no-such-host.invalid/"):
            with pytest.raises(httpx.ConnectError):
                await http.get(url)


async def test_waiting_for_a_connection_is_bounded() -> None:
    """When every connection is taken, the wait for one ends with a timeout that says so."""
    async with serving(sends()) as server, platform_client(1) as http:
        taken = asyncio.create_task(http.get(server.url, timeout=5))
        await asyncio.sleep(0.05)
        with pytest.raises(httpx.ConnectTimeout):
            await http.get(server.url, timeout=httpx.Timeout(5, pool=0.1))
        taken.cancel()


async def test_connection_that_was_let_go_costs_one_more_try() -> None:
    """Alipay may close a kept connection while the request is under way: the call succeeds on a second one."""
    lives = 0

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal lives
        lives += 1
        if lives == 1:
            writer.close()
        else:
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    async with serving(answer) as server, platform_client(1) as http:
        with pytest.raises(GatewayUnavailable, match="HTTP 503"):
            await alipay(server, http).query("P1")
    assert len(server.requests) == 2


async def test_silent_platform_is_bounded_by_the_gateway() -> None:
    """The adapter's own timeout holds over this client as over any."""
    async with serving(sends()) as server, platform_client(1) as http:
        began = asyncio.get_running_loop().time()
        with pytest.raises(GatewayUnavailable, match=r"no answer in 2\.0 s"):
            await alipay(server, http).query("P1")
        assert asyncio.get_running_loop().time() - began < 4


async def test_redirect_is_an_answer() -> None:
    """Nothing is sent on to where a platform points."""
    moved = b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with serving(sends(moved)) as server, platform_client(1) as http:
        with pytest.raises(GatewayUnavailable, match="HTTP 307"):
            await alipay(server, http).query("P1")
