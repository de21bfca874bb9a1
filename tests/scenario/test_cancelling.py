"""Cancelling gives everything back, once, until the order is paid; then it is refused."""

import asyncio

import pytest

from tests.support.shop_client import Buyer, Line, ShopClient, coupon, eventually, good, problem, product


async def _buyer(shop: ShopClient, name: str) -> Buyer:
    await shop.load(goods=[product(name, 2_000, 10)])
    return await shop.new_buyer(name, 1_000, [coupon(f"{name}-c", 100)])


async def _held(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int]:
    """Stock, balance, usable coupons."""
    me = await buyer.me()
    return await shop.stock(buyer.user), me["balance"], len(me["coupons"])


@pytest.mark.parametrize("payment", ["none", "opened", "scanned", "declined"])
async def test_cancel_gives_everything_back(shop: ShopClient, name: str, payment: str) -> None:
    """Stock, coupon and balance are back, once, however often it is cancelled; and the payment can not be made."""
    buyer = await _buyer(shop, name)
    order = await buyer.placed(Line(name, 3, 2_000), coupon=f"{name}-c", discount=100, balance=1_000)
    assert await _held(shop, buyer) == (7, 0, 0)
    pay_url = "" if payment == "none" else good(await buyer.open_payment(order["order_id"]))["pay_url"]
    if payment == "scanned":
        assert (await shop.http.get(pay_url)).status_code == 200
    elif payment == "declined":
        assert (await shop.at_cashier(pay_url, "decline")).status_code == 200
    for _ in range(3):
        cancelled = good(await buyer.change(order["order_id"], "cancel"))
        assert (cancelled["status"], cancelled["payment_status"]) == ("CANCELLED", "UNPAID")
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1))
    if pay_url:
        assert (await shop.at_cashier(pay_url)).status_code == 409
    assert problem(await buyer.open_payment(order["order_id"])) == (409, "not_payable")


async def test_what_was_given_back_can_be_used_again(shop: ShopClient, name: str) -> None:
    """Coupon and balance of a cancelled order pay the next one."""
    buyer = await _buyer(shop, name)
    for _ in range(3):
        order = await buyer.placed(Line(name, 10, 2_000), coupon=f"{name}-c", discount=100, balance=1_000)
        good(await buyer.change(order["order_id"], "cancel"))
        await eventually(lambda: _held(shop, buyer), (10, 1_000, 1))


async def test_a_paid_order_cannot_be_cancelled(shop: ShopClient, name: str) -> None:
    """Once it is paid, cancelling is refused and changes nothing."""
    buyer = await _buyer(shop, name)
    order = await buyer.paid(Line(name, 1, 2_000))
    assert problem(await buyer.change(order["order_id"], "cancel")) == (409, "not_cancellable")
    assert (await buyer.order(order["order_id"]))["payment_status"] == "PAID"


async def test_an_order_paid_by_balance_cannot_be_cancelled(shop: ShopClient, name: str) -> None:
    """An order with nothing due is paid from its beginning: it is refunded, not cancelled."""
    await shop.load(goods=[product(name, 400)])
    buyer = await shop.new_buyer(name, 1_000)
    order = await buyer.placed(Line(name, 1, 400), balance=1_000)
    assert problem(await buyer.change(order["order_id"], "cancel")) == (409, "not_cancellable")


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.02, 0.06])
async def test_cancel_and_payment_at_once(shop: ShopClient, name: str, pause: float) -> None:
    """Whoever comes first, the order is either paid or cancelled, and the buyer is told which."""
    buyer = await _buyer(shop, name)
    order = await buyer.placed(Line(name, 1, 2_000), coupon=f"{name}-c", discount=100, balance=100)
    pay_url = good(await buyer.open_payment(order["order_id"]))["pay_url"]
    paying = asyncio.create_task(shop.at_cashier(pay_url))
    await asyncio.sleep(pause)
    cancelling = await buyer.change(order["order_id"], "cancel")
    if (await paying).status_code == 200:
        assert problem(cancelling) == (409, "not_cancellable")
        await buyer.until(order["order_id"], status="CONFIRMED", payment_status="PAID")
        await eventually(lambda: _held(shop, buyer), (9, 900, 0))
    else:
        assert cancelling.status_code == 200
        await buyer.until(order["order_id"], status="CANCELLED", payment_status="UNPAID")
        await eventually(lambda: _held(shop, buyer), (10, 1_000, 1))


async def test_many_cancels_at_once(shop: ShopClient, name: str) -> None:
    """Ten cancels at once have one effect, and all of them are told that it is cancelled."""
    buyer = await _buyer(shop, name)
    order = await buyer.placed(Line(name, 2, 2_000), balance=1_000)
    answers = await asyncio.gather(*[buyer.change(order["order_id"], "cancel") for _ in range(10)])
    assert {good(answer)["status"] for answer in answers} == {"CANCELLED"}
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1))
