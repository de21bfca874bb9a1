"""The application on a really listening server, from its start to its stop."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from makegood.web.app import WebApp, build_app
from makegood.web.server import GRACE, PortBusy, free_port, serve
from makegood.web.settings import WebSettings
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer, order_body


class Running:
    """A server of one test."""

    def __init__(self, app: WebApp, grace: float = GRACE) -> None:
        self.port = free_port("127.0.0.1", 0)
        self.stop = asyncio.Event()
        self.listening = asyncio.Event()
        self.task = asyncio.create_task(
            serve(app, "127.0.0.1", self.port, stop=self.stop, on_listening=self.listening.set, grace=grace)
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def ended(self, seconds: float) -> None:
        """Waits until it has stopped."""
        async with asyncio.timeout(seconds):
            await self.task


@asynccontextmanager
async def serving(app: WebApp) -> AsyncGenerator[tuple[Running, httpx.AsyncClient]]:
    """A listening server and a client; both end with the context."""
    running = Running(app)
    async with asyncio.timeout(10):
        await running.listening.wait()
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        yield running, http
    running.stop.set()
    await running.ended(5)


async def test_serves(app: WebApp) -> None:
    """Orders, pages and problems come over TCP as they do in process."""
    async with serving(app) as (running, http):
        alice = await Buyer.signed_in(http, "alice")
        order = await alice.order()
        await alice.pay(order)
        assert (await alice.get(f"/api/orders/{order['order_id']}")).json()["payment_status"] == "PAID"
        assert (await alice.get("/api/goods/cup%2Fblue?x=1")).json()["sku"] == "cup/blue"
        assert (await http.get("/nothing")).status_code == 404
        assert (await http.request("HEAD", "/healthz")).status_code == 200
        too_large = await http.post("/api/payments/notify/alipay", content=b"x" * 100_000)
        assert too_large.status_code == 413
        with pytest.raises(PortBusy, match=f"127.0.0.1:{running.port}"):
            free_port("127.0.0.1", running.port)


async def test_graceful_stop(app: WebApp, shop: PeerShop) -> None:
    """On stop an order on its way is answered, an open stream ends properly, idle connections close, none is taken."""
    async with serving(app) as (running, http):
        alice = await Buyer.signed_in(http, "alice")
        order = await alice.order()
        stream = asyncio.create_task(_read_stream(alice, order["order_id"]))
        shop.slow["orders.Place"] = 0.8
        placing = asyncio.create_task(alice.place(order_body()))
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", running.port)
        await asyncio.sleep(0.3)
        running.stop.set()
        events, placed = await stream, await placing
        assert events.count("event: change") == 2
        assert placed.status_code == 201
        assert await idle_reader.read() == b""
        idle_writer.close()
        await running.ended(3)
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient(trust_env=False).get(f"{running.url}/healthz")


async def test_stop_is_bounded(app: WebApp, shop: PeerShop) -> None:
    """A request that does not end does not hold up the stop for longer than its grace."""
    running = Running(app, grace=0.3)
    await running.listening.wait()
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        alice = await Buyer.signed_in(http, "alice")
        shop.slow["orders.Place"] = 2.0
        placing = asyncio.create_task(alice.place(order_body()))
        await asyncio.sleep(0.2)
        running.stop.set()
        await running.ended(1)
        assert not placing.done()
        assert free_port("127.0.0.1", running.port) == running.port
        assert (await placing).status_code == 201


async def test_left_streams_end(app: WebApp) -> None:
    """A client that closes its connection while a stream is open gives its place back."""
    async with serving(app) as (_, http):
        alice = await Buyer.signed_in(http, "alice")
        order = await alice.order()
        path = f"/api/orders/{order['order_id']}/events"
        for _ in range(4):
            async with http.stream("GET", path, headers=alice.headers) as answer:
                assert answer.status_code == 200
            await asyncio.sleep(0.3)


async def test_busy_port(app: WebApp) -> None:
    """A port that somebody listens on is a clear error, not a panic; another free one can be had."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(PortBusy, match="choose another"):
            await serve(app, "127.0.0.1", port, stop=asyncio.Event(), on_listening=lambda: None)
        assert free_port("127.0.0.1", port, else_any=True) != port


async def test_no_such_host(app: WebApp) -> None:
    """An address that is not this machine's is a clear error."""
    with pytest.raises(PortBusy, match="cannot listen on"):
        await serve(app, "203.0.113.1", 8000, stop=asyncio.Event(), on_listening=lambda: None)


async def test_cancelled(shop: PeerShop, settings: WebSettings) -> None:
    """Cancelling what serves stops the server, too."""
    running = Running(build_app(shop, settings))
    async with asyncio.timeout(10):
        await running.listening.wait()
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert free_port("127.0.0.1", running.port) == running.port


async def _read_stream(buyer: Buyer, order_id: str) -> str:
    """All of a stream, to its proper end; a connection that is cut raises."""
    answer = await buyer.get(f"/api/orders/{order_id}/events", timeout=10)
    return answer.text
