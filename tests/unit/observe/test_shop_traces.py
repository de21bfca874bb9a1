"""A trace follows an order, and its payment, through the whole embedded shop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan

from makegood.config import Config
from makegood.embedded.directory import Directory
from makegood.embedded.shop import EmbeddedShop
from tests.unit.observe.recording import Recorded, recording, trace_id_of

TEA = {"sku": "tea-longjing", "quantity": 1, "unit_price": 12_800}
ORDER = {"lines": [TEA], "coupon_id": "alice-20off", "balance": 100, "shipping_fee": 0, "amount_due": 10_700}
TRACE = "0af7651916cd43dd8448eb211c80319c"
SECONDS = 20.0
DRIVER = "orders.Place"
"""Stands between the request and the calls, in the process that drives the order."""


@asynccontextmanager
async def _shop(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """The demo shop, and alice who is signed in."""
    shop = EmbeddedShop(Directory(folder), Config(), "127.0.0.1", 0, demo=True)
    async with shop.running() as run, httpx.AsyncClient(base_url=run.url, timeout=SECONDS) as client:
        signed_in = await client.post("/api/session", json={"user": "alice", "password": "demo"})
        client.headers["authorization"] = f"Bearer {signed_in.json()['token']}"
        yield client


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not done():
            await asyncio.sleep(0.02)


async def _place(client: httpx.AsyncClient, key: str, **headers: str) -> httpx.Response:
    answer = await client.post("/api/orders", json=ORDER, headers={"idempotency-key": key, **headers})
    assert answer.status_code == 201, answer.text
    return answer


async def _pay(client: httpx.AsyncClient, order_id: str) -> None:
    opened = await client.post("/api/payments", json={"order_id": order_id, "channel": "alipay"})
    assert opened.status_code == 201, opened.text
    paid = await client.post(opened.json()["pay_url"], data={"action": "pay"})
    assert paid.status_code < 400, paid.text


async def test_an_order_and_its_payment(tmp_path: Path) -> None:
    """One trace holds the request, each call and batch, the message and who hears it; the callback's another one."""
    with recording() as recorded:
        async with _shop(tmp_path) as client:
            placed = await _place(client, "one", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
            await _until(lambda: "journal hears orders: confirmed" in recorded.names(TRACE))
            assert placed.headers["x-trace-id"] == TRACE
            _check_order(recorded, placed.json()["order_id"])
            await _pay(client, placed.json()["order_id"])
            await _until(lambda: "journal hears orders: paid" in recorded.names())
        _check_payment(recorded, placed.json()["order_id"])


def _check_order(recorded: Recorded, order_id: str) -> None:
    calls = ("orders.Open", "stock.Deduct", "coupons.Use", "accounts.Deduct", "orders.Settle")
    batches = [f"batch of {call}" for call in calls]
    message = ["publish orders: confirmed", "journal hears orders: confirmed"]
    names = [name for name in recorded.names(TRACE) if name != DRIVER]
    assert names == sorted(["POST /api/orders", *calls, *batches, *message])
    for call in calls:
        assert _path(recorded, f"batch of {call}") == ["POST /api/orders", call, f"batch of {call}"]
    for name in message:
        assert _path(recorded, name) == ["POST /api/orders", "orders.Settle", "batch of orders.Settle", name]
    root = _attributes(recorded.named("POST /api/orders"))
    assert (root["http.route"], root["http.response.status_code"]) == ("/api/orders", 201)
    batch = _attributes(recorded.named("batch of orders.Settle"))
    assert (batch["batch.size"], batch["order_id"]) == (1, order_id)
    assert 0 < batch["commit.seconds"] < SECONDS
    assert _attributes(recorded.named("journal hears orders: confirmed"))["order_id"] == order_id


def _check_payment(recorded: Recorded, order_id: str) -> None:
    callback = recorded.named("POST /api/payments/notify/{channel}")
    heard = recorded.named("journal hears orders: paid")
    assert trace_id_of(heard) == trace_id_of(callback) != TRACE
    path = recorded.path(heard)
    assert (path[0], path[-2:]) == (callback.name, ["orders hears payments: succeeded", heard.name])
    names = recorded.names(trace_id_of(callback))
    for name in ("publish payments: succeeded", "points hears payments: succeeded", "publish orders: paid"):
        assert name in names
    assert _attributes(heard)["order_id"] == order_id


def _path(recorded: Recorded, name: str) -> list[str]:
    return [above for above in recorded.path(recorded.named(name)) if above != DRIVER]


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})
