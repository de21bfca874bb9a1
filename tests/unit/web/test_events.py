"""An order's changes as server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from msgspec.structs import replace

from makegood.engine.errors import Overloaded
from makegood.shop.orders.contracts import Order
from makegood.web.app import WebApp
from makegood.web.events import is_final
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer
from tests.unit.web.raw import Message, scope_of


class Stream:
    """A client that reads one stream as it comes."""

    def __init__(self, app: WebApp, buyer: Buyer, order_id: str, last_event_id: str = "") -> None:
        headers = [(b"authorization", f"Bearer {buyer.token}".encode())]
        if last_event_id:
            headers.append((b"last-event-id", last_event_id.encode()))
        self.status = 0
        self.left = asyncio.Event()
        self._sent = asyncio.Queue[Message]()
        scope = scope_of("GET", f"/api/orders/{order_id}/events", headers)
        self.task = asyncio.create_task(app(scope, self._receive, self._send))
        self._asked = False

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._sent.put(message)

    async def start(self) -> "Stream":
        """Waits for the answer's beginning."""
        self.status = (await self._next())["status"]
        return self

    async def blocks(self) -> AsyncGenerator[dict[str, str]]:
        """Each event, until the stream ends."""
        while (message := await self._next()).get("more_body"):
            for block in message["body"].decode().split("\n\n"):
                fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
                if fields and "retry" not in fields:
                    yield fields

    async def changes(self, count: int) -> list[tuple[str, Any]]:
        """The next changes, with their ids."""
        found: list[tuple[str, Any]] = []
        async for block in self.blocks():
            found.append((block["id"], json.loads(block["data"])))
            if len(found) == count:
                break
        return found

    async def _next(self) -> Message:
        async with asyncio.timeout(5):
            return await self._sent.get()


async def test_changes(app: WebApp, alice: Buyer, shop: PeerShop) -> None:
    """Each change comes once, in its order, soon after it happened; the stream ends with the last one."""
    order = await alice.order()
    stream = await Stream(app, alice, order["order_id"]).start()
    assert stream.status == 200
    assert [(id, one["status"]) for id, one in await stream.changes(2)] == [("1", "OPEN"), ("2", "CONFIRMED")]
    shop.world.advance(1_500)
    await alice.post(f"/api/orders/{order['order_id']}/cancel")
    [(id, change)] = await stream.changes(1)
    assert (id, change) == (
        "3",
        {
            "at": "2023-11-14T22:13:21.500Z",
            "status": "CANCELLED",
            "payment_status": "UNPAID",
            "shipping_status": "UNSHIPPED",
            "why": "cancelled by the buyer",
        },
    )
    assert [block async for block in stream.blocks()] == [{"event": "end", "data": "{}"}]
    await stream.task


async def test_last_event_id(app: WebApp, alice: Buyer) -> None:
    """Who comes back gets only what is new; an id of a later event than there is waits for what follows it."""
    order = await alice.order()
    await alice.pay(order)
    stream = await Stream(app, alice, order["order_id"], "2").start()
    assert [id for id, _ in await stream.changes(1)] == ["3"]
    stream.left.set()
    await stream.task
    for bad in ("x", "-1", "1" * 10):
        headers = {**alice.headers, "Last-Event-ID": bad}
        answer = await alice.http.get(f"/api/orders/{order['order_id']}/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


async def test_final_order(alice: Buyer) -> None:
    """The stream of a final order gives all its changes and ends at once."""
    order = await alice.order()
    await alice.post(f"/api/orders/{order['order_id']}/cancel")
    answer = await alice.get(f"/api/orders/{order['order_id']}/events")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count("event: change") == 3
    assert answer.text.endswith("event: end\ndata: {}\n\n")


async def test_client_leaves(app: WebApp, alice: Buyer) -> None:
    """When the client is gone the stream ends, and its place is free."""
    order = await alice.order()
    for _ in range(5):
        streams = [await Stream(app, alice, order["order_id"]).start() for _ in range(2)]
        assert [stream.status for stream in streams] == [200, 200]
        for stream in streams:
            stream.left.set()
            await stream.task


async def test_bounded(app: WebApp, alice: Buyer, bob: Buyer) -> None:
    """A user's third stream is refused with 503, and another user's first is not."""
    order, other = await alice.order(), await bob.order()
    streams = [await Stream(app, alice, order["order_id"]).start() for _ in range(3)]
    mine = await Stream(app, bob, other["order_id"]).start()
    assert ([stream.status for stream in streams], mine.status) == ([200, 200, 503], 200)
    for stream in (*streams, mine):
        stream.left.set()
        await stream.task


async def test_drain(app: WebApp, alice: Buyer) -> None:
    """When the server stops, open streams end and no new one begins; the shop is not ready any more."""
    order = await alice.order()
    stream = await Stream(app, alice, order["order_id"]).start()
    assert (await alice.get("/readyz")).status_code == 200
    app.drain()
    async with asyncio.timeout(1):
        await stream.task
    refused = await alice.get(f"/api/orders/{order['order_id']}/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert (await alice.get("/readyz")).status_code == 503
    assert (await alice.get("/healthz")).status_code == 200
    assert (await alice.get("/api/me")).status_code == 200


async def test_survives_failures(app: WebApp, alice: Buyer, shop: PeerShop) -> None:
    """Looks that fail are repeated; the change is told when the orders service is back."""
    order = await alice.order()
    stream = await Stream(app, alice, order["order_id"]).start()
    await stream.changes(2)
    shop.failing["orders.Find"] = Overloaded("busy")
    shop.book.cancel(shop.book.orders[int(order["order_id"])])
    await asyncio.sleep(0.6)
    assert not stream.task.done()
    del shop.failing["orders.Find"]
    assert [id for id, _ in await stream.changes(1)] == ["3"]
    await stream.task


@pytest.mark.parametrize(
    ("status", "payment_status", "final"),
    [
        ("OPEN", "UNPAID", False),
        ("CONFIRMED", "PAID", False),
        ("CONFIRMED", "REFUNDING", False),
        ("CANCELLED", "REFUNDING", False),
        ("CANCELLED", "UNPAID", True),
        ("CANCELLED", "REFUNDED", True),
        ("COMPLETED", "PAID", True),
    ],
)
async def test_final(alice: Buyer, shop: PeerShop, status: str, payment_status: str, final: bool) -> None:
    """An order is final when it is completed or cancelled and no refund is on its way."""
    order: Order = shop.book.orders[int((await alice.order())["order_id"])]
    changed = replace(order, status=status, payment_status=payment_status)
    assert is_final(changed) is final
