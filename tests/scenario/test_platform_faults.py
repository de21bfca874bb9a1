"""A payment platform that misbehaves: notifications lost, repeated, late; the platform away."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.shop_client import (
    SETTLE,
    Buyer,
    Json,
    Line,
    ShopClient,
    coupon,
    eventually,
    good,
    problem,
    product,
    shop_client,
)
from tests.support.shop_process import ShopProcess, running_shop

ASKED_AFTER = 1.0
"""Seconds after which this shop asks about a payment nobody has heard of."""


@pytest.fixture(scope="module")
def faulty_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop that asks its platform soon."""
    with running_shop(tmp_path_factory.mktemp("faulty"), {"MAKEGOOD_PAYMENTS_FIRST_ASK": str(ASKED_AFTER)}) as process:
        yield process


@pytest.fixture
async def shop(faulty_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; the platform behaves when the test begins, and in the end every promise is kept."""
    async with shop_client(faulty_shop) as client:
        await _notifications(client, "normal")
        yield client
        await _notifications(client, "normal")
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


async def test_a_lost_notification_is_asked_for(shop: ShopClient, name: str) -> None:
    """An order whose callback never comes is paid all the same, because the platform is asked."""
    buyer, order = await _placed(shop, name)
    await _notifications(shop, "lose")
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    await buyer.has(points=20)


async def test_repeated_notifications_pay_once(shop: ShopClient, name: str) -> None:
    """Callbacks that come twice take effect once."""
    buyer, order = await _placed(shop, name)
    await _notifications(shop, "duplicate")
    payment = await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    await eventually(lambda: _attempts(shop, payment["payment_id"]), 2)
    await buyer.has(points=20)


async def test_a_capture_that_comes_behind_its_refund(shop: ShopClient, name: str) -> None:
    """The callbacks of a payment and of its refund, both late and together, change nothing that is settled."""
    buyer, order = await _placed(shop, name)
    await _notifications(shop, "hold")
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    good(await buyer.change(order["order_id"], "refund"))
    await buyer.until(order["order_id"], payment_status="REFUNDED")
    await _notifications(shop, "normal")
    await asyncio.sleep(0.5)
    ended = await buyer.order(order["order_id"])
    assert (ended["status"], ended["payment_status"]) == ("CANCELLED", "REFUNDED")
    await eventually(lambda: _held(shop, buyer), (10, 500, 1, 0))


async def test_cancel_loses_to_a_payment_nobody_has_told_of(shop: ShopClient, name: str) -> None:
    """Cancelling asks the platform first: an order that is paid there is paid here, and is not cancelled."""
    buyer, order = await _placed(shop, name)
    await _notifications(shop, "hold")
    await buyer.pay(order["order_id"])
    assert problem(await buyer.change(order["order_id"], "cancel")) == (409, "not_cancellable")
    await buyer.until(order["order_id"], status="CONFIRMED", payment_status="PAID")
    await _notifications(shop, "normal")
    await buyer.has(points=20)


async def test_the_platform_is_away(shop: ShopClient, name: str) -> None:
    """Without the platform no payment is opened, what is asked of it waits, and when it is back everything is done."""
    buyer, order = await _placed(shop, name)
    paid = await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    other = await buyer.placed(Line(name, 1, 2_000))
    opened = await buyer.placed(Line(name, 1, 2_000))
    good(await buyer.open_payment(opened["order_id"]))
    shop.process.kill9_sandbox()
    try:
        async with asyncio.timeout(SETTLE):
            while (answer := await buyer.open_payment(other["order_id"])).status_code == 201:
                other = await buyer.placed(Line(name, 1, 2_000))  # it was back already
                shop.process.kill9_sandbox()
        assert problem(answer) == (503, "platform_unavailable")
        assert good(await buyer.change(order["order_id"], "refund"))["payment_status"] in ("REFUNDING", "REFUNDED")
    finally:
        await _sandbox_is_back(shop)
    await buyer.until(order["order_id"], payment_status="REFUNDED")
    assert (await _trade(shop, paid["payment_id"]))["refunded"] == order["amount_due"]
    await buyer.pay(other["order_id"])
    await buyer.until(other["order_id"], payment_status="PAID")
    assert good(await buyer.change(opened["order_id"], "cancel"))["status"] in ("CANCELLED", "CONFIRMED")
    await buyer.until(opened["order_id"], status="CANCELLED")


async def _placed(shop: ShopClient, name: str) -> tuple[Buyer, Json]:
    """An order with coupon and balance of which 2000 fen are due."""
    await shop.load(goods=[product(name, 2_000, 10)])
    buyer = await shop.new_buyer(name, 500, [coupon(f"{name}-c", 100)])
    return buyer, await buyer.placed(Line(name, 1, 2_000), coupon=f"{name}-c", discount=100, balance=500)


async def _held(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int, int]:
    """Stock, balance, usable coupons, points."""
    me = await buyer.me()
    return await shop.stock(buyer.user), me["balance"], len(me["coupons"]), me["points"]


async def _notifications(shop: ShopClient, mode: str) -> None:
    await shop.control("POST", "faults", json={"notifications": mode})


async def _attempts(shop: ShopClient, payment_id: str) -> int:
    page = await shop.control("GET", "notifications?limit=1000")
    return sum(len(one["attempts"]) for one in page["notifications"] if one["out_trade_no"] == payment_id)


async def _trade(shop: ShopClient, payment_id: str) -> Json:
    page = await shop.control("GET", "trades?limit=1000")
    return next(trade for trade in page["trades"] if trade["out_trade_no"] == payment_id)


async def _sandbox_is_back(shop: ShopClient) -> None:
    async with asyncio.timeout(SETTLE):
        while True:
            try:
                await shop.control("GET", "clock")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
