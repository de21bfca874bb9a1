"""A database that does not answer for a while: nothing is guessed, everything is decided, nothing stays taken."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import apsw
import pytest

from tests.scenario.kill_points import insist
from tests.support.alipay_notices import Platform, signed
from tests.support.shop_client import (
    Buyer,
    Json,
    Line,
    ShopClient,
    coupon,
    eventually,
    good,
    order_body,
    problem,
    product,
    shop_client,
)
from tests.support.shop_process import ShopProcess, running_shop

DECIDE_WITHIN = 1.5
"""Seconds."""


@pytest.fixture(scope="module")
def quick_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop that must decide its orders soon."""
    settings = {
        "MAKEGOOD_ORDERS_DECIDE_WITHIN": str(DECIDE_WITHIN),
        "MAKEGOOD_ORDERS_ATTEMPT_TIMEOUT": "0.5",
        "MAKEGOOD_PAYMENTS_FIRST_ASK": "1",
    }
    with running_shop(tmp_path_factory.mktemp("quick"), settings) as process:
        yield process


@pytest.fixture
async def shop(quick_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; when the test is over every promise is kept, and nothing has failed."""
    async with shop_client(quick_shop) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


@contextlib.asynccontextmanager
async def _held(process: ShopProcess, service: str, at_least: float = 0.0) -> AsyncGenerator[None]:
    """Nobody else can write to this service's database meanwhile, for at least so many seconds."""
    connection = apsw.Connection(str(process.data / f"{service}.db"))
    connection.set_busy_timeout(5_000)
    connection.execute("BEGIN IMMEDIATE")
    until = time.monotonic() + at_least
    try:
        yield
        await asyncio.sleep(max(0.0, until - time.monotonic()))
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.mark.parametrize(
    ("service", "seconds"), [("stock", 2.5), ("stock", 4.5), ("coupons", 2.5), ("coupons", 4.5), ("accounts", 4.5)]
)
async def test_a_participant_does_not_answer(shop: ShopClient, name: str, service: str, seconds: float) -> None:
    """The order is answered 202, cancelled at its deadline, and what was taken, or is taken late, is given back."""
    buyer, body = await _buyer(shop, name)
    async with _held(shop.process, service, seconds):
        answer = await buyer.place(body, "key")
        assert (answer.status_code, answer.json()["status"]) == (202, "OPEN")
    ended = await buyer.until(answer.json()["order_id"], status="CANCELLED", decision="cancelled")
    assert ended["payment_status"] == "UNPAID"
    assert problem(await buyer.place(body, "key")) == (409, "cancelled")
    await eventually(lambda: _has(shop, buyer), (10, 500, 1))


async def test_a_participant_answers_late(shop: ShopClient, name: str) -> None:
    """A database that is back before the deadline costs nothing but time: the order is confirmed, and once."""
    buyer, body = await _buyer(shop, name)

    async def hold() -> None:
        async with _held(shop.process, "accounts", 0.9):
            pass

    holding = asyncio.create_task(hold())
    answer = await buyer.place(body, "key")
    await holding
    assert answer.status_code == 201, answer.text
    await eventually(lambda: _has(shop, buyer), (8, 0, 0))


async def test_orders_themselves_do_not_answer(shop: ShopClient, name: str) -> None:
    """Nobody knows whether the order was opened: 504; a repeat of the key finds out, and there is one order."""
    buyer, body = await _buyer(shop, name)
    async with _held(shop.process, "orders", 2.0):
        assert problem(await buyer.place(body, "key")) == (504, "timeout")
    answer = await insist(lambda: buyer.place(body, "key"))
    assert answer.status_code in (201, 409), answer.text
    assert len(await buyer.orders()) == 1
    await eventually(lambda: _has(shop, buyer), (8, 0, 0) if answer.status_code == 201 else (10, 500, 1))


async def test_callbacks_are_answered_in_time(shop: ShopClient, name: str) -> None:
    """While payments can write nothing a callback is answered with failure within five seconds, and comes again."""
    buyer, body = await _buyer(shop, name)
    order = (await buyer.place(body)).json()
    payment = good(await buyer.open_payment(order["order_id"]))
    platform = Platform(shop.process.data)
    fields = platform.captured(payment["payment_id"], order["amount_due"], f"{name}-held")
    await shop.control("POST", "faults", json={"notifications": "hold"})
    assert (await shop.at_cashier(payment["pay_url"])).status_code == 200
    fields["trade_no"] = await _trade_no(shop, payment["payment_id"])
    async with _held(shop.process, "payments"):
        began = time.monotonic()
        answer = await shop.notify(signed(fields, platform.key))
        assert time.monotonic() - began < 5.0
        assert (answer.status_code, answer.content) == (400, b"failure")
    await shop.control("POST", "faults", json={"notifications": "normal"})
    assert (await shop.notify(signed(fields, platform.key))).content == b"success"
    await buyer.until(order["order_id"], payment_status="PAID")


@pytest.mark.parametrize("service", ["orders", "points", "journal"])
async def test_a_consumer_does_not_answer(shop: ShopClient, name: str, service: str) -> None:
    """A callback is answered at once whatever its consumers do, and when they are back they have heard it."""
    buyer, body = await _buyer(shop, name)
    order = (await buyer.place(body)).json()
    async with _held(shop.process, service, 2.0):
        payment = good(await buyer.open_payment(order["order_id"]))
        assert (await shop.at_cashier(payment["pay_url"])).status_code == 200
        await eventually(lambda: _delivered(shop, payment["payment_id"]), 1)
    await buyer.until(order["order_id"], payment_status="PAID")
    await buyer.has(points=order["amount_due"] // 100)


async def _buyer(shop: ShopClient, name: str) -> tuple[Buyer, Json]:
    """A buyer, and an order that asks everybody."""
    await shop.load(goods=[product(name, 2_000, 10)])
    buyer = await shop.new_buyer(name, 500, [coupon(f"{name}-c", 100)])
    return buyer, order_body(Line(name, 2, 2_000), coupon=f"{name}-c", discount=100, balance=500)


async def _has(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int]:
    """Stock, balance, usable coupons."""
    me = await buyer.me()
    return await shop.stock(buyer.user), me["balance"], len(me["coupons"])


async def _trade_no(shop: ShopClient, payment_id: str) -> str:
    page = await shop.control("GET", "trades?limit=1000")
    return next(trade["trade_no"] for trade in page["trades"] if trade["out_trade_no"] == payment_id)


async def _delivered(shop: ShopClient, payment_id: str) -> int:
    page = await shop.control("GET", "notifications?limit=1000")
    mine = [one for one in page["notifications"] if one["out_trade_no"] == payment_id]
    return sum(one["delivered_at"] is not None for one in mine)
