"""Orders that nobody pays in time, and sessions that end."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.shop_client import (
    Buyer,
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

PAY_WITHIN = 2
SESSION = 6
"""Seconds."""


@pytest.fixture(scope="module")
def hasty_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopProcess]:
    """A shop whose orders must be paid within two seconds, and whose sessions are short."""
    settings = {
        "MAKEGOOD_ORDERS_DECIDE_WITHIN": "1.5",
        "MAKEGOOD_ORDERS_ATTEMPT_TIMEOUT": "0.5",
        "MAKEGOOD_ORDERS_PAY_WITHIN": str(PAY_WITHIN),
        "MAKEGOOD_WEB_SESSION_SECONDS": str(SESSION),
    }
    with running_shop(tmp_path_factory.mktemp("hasty"), settings) as process:
        yield process


@pytest.fixture
async def shop(hasty_shop: ShopProcess) -> AsyncIterator[ShopClient]:
    """A client of that shop; when the test is over every promise is kept, and nothing has failed."""
    async with shop_client(hasty_shop) as client:
        yield client
        assert await client.broken_promises() == []
        assert await client.dead_letters() == []


@pytest.mark.parametrize("payment", ["none", "opened", "scanned"])
async def test_an_unpaid_order_expires(shop: ShopClient, name: str, payment: str) -> None:
    """An order that is not paid in time is cancelled, gives everything back, and its payment cannot be made."""
    buyer = await _buyer(shop, name)
    order = await buyer.placed(Line(name, 3, 2_000), coupon=f"{name}-c", discount=100, balance=500)
    pay_url = "" if payment == "none" else good(await buyer.open_payment(order["order_id"]))["pay_url"]
    if payment == "scanned":
        assert (await shop.http.get(pay_url)).status_code == 200
    ended = await buyer.until(order["order_id"], status="CANCELLED", payment_status="UNPAID")
    assert ended["changes"][-1]["why"] == "expired"
    assert ended["decision"] == "confirmed"
    await eventually(lambda: _held(shop, buyer), (10, 500, 1))
    if pay_url:
        assert (await shop.at_cashier(pay_url)).status_code == 409
    assert problem(await buyer.open_payment(order["order_id"])) == (409, "not_payable")
    assert good(await buyer.change(order["order_id"], "cancel"))["status"] == "CANCELLED"


async def test_a_payment_in_time_is_kept(shop: ShopClient, name: str) -> None:
    """An order that was paid in time stays paid when its time is over, even if nobody has told us in time."""
    buyer = await _buyer(shop, name)
    told, untold = [await buyer.placed(Line(name, 1, 2_000)) for _ in range(2)]
    await buyer.pay(told["order_id"])
    await shop.control("POST", "faults", json={"notifications": "hold"})
    await buyer.pay(untold["order_id"])
    await asyncio.sleep(PAY_WITHIN + 1)
    await buyer.until(untold["order_id"], status="CONFIRMED", payment_status="PAID")
    await shop.control("POST", "faults", json={"notifications": "normal"})
    await buyer.until(told["order_id"], status="CONFIRMED", payment_status="PAID")
    assert await shop.stock(name) == 8


async def test_a_session_ends(shop: ShopClient, name: str) -> None:
    """A token is refused once its time is over."""
    buyer = await _buyer(shop, name)
    await buyer.me()
    await asyncio.sleep(SESSION + 0.1)
    assert problem(await buyer.send("GET", "/api/me")) == (401, "unauthorized")


async def _buyer(shop: ShopClient, name: str) -> Buyer:
    await shop.load(goods=[product(name, 2_000, 10)])
    return await shop.new_buyer(name, 500, [coupon(f"{name}-c", 100)])


async def _held(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int]:
    """Stock, balance, usable coupons."""
    me = await buyer.me()
    return await shop.stock(buyer.user), me["balance"], len(me["coupons"])
