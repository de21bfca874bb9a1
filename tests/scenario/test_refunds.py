"""Refunds: of the whole order by its buyer, of parts by operators, and the points with them."""

import asyncio

import pytest

from tests.support.shop_client import Buyer, Json, Line, ShopClient, coupon, eventually, good, problem, product


async def _paid(shop: ShopClient, name: str) -> tuple[Buyer, Json]:
    """A paid order of 2 x 6000 fen with a coupon of 500 and 1000 fen of balance: 10500 are captured."""
    await shop.load(goods=[product(name, 6_000, 10)])
    buyer = await shop.new_buyer(name, 1_000, [coupon(f"{name}-c", 500)])
    order = await buyer.paid(Line(name, 2, 6_000), coupon=f"{name}-c", discount=500, balance=1_000)
    await buyer.has(points=105, balance=0)
    return buyer, order


async def _held(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int, int]:
    """Stock, balance, usable coupons, points."""
    me = await buyer.me()
    return await shop.stock(buyer.user), me["balance"], len(me["coupons"]), me["points"]


async def _refunded_by_platform(shop: ShopClient, payment_id: str) -> int:
    """Fen that the platform has given back of this payment."""
    after = "0"
    while True:
        page = await shop.control("GET", f"trades?after={after}&limit=1000")
        for trade in page["trades"]:
            if trade["out_trade_no"] == payment_id:
                return trade["refunded"]
        assert page["next"], f"the platform knows no payment {payment_id}"
        after = page["next"]


async def test_refund_before_shipping(shop: ShopClient, name: str) -> None:
    """Everything comes back: money, balance, coupon, stock; and the points go."""
    buyer, order = await _paid(shop, name)
    for _ in range(2):
        good(await buyer.change(order["order_id"], "refund"))
    await buyer.until(order["order_id"], status="CANCELLED", payment_status="REFUNDED")
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1, 0))
    assert await _refunded_by_platform(shop, order["payment_id"]) == 10_500


@pytest.mark.parametrize("received", [False, True])
async def test_refund_after_shipping(shop: ShopClient, name: str, received: bool) -> None:
    """A shipped order gives back money and balance, not goods and coupon; one that was received is not refundable."""
    buyer, order = await _paid(shop, name)
    good(await shop.ops("POST", f"/api/ops/orders/{order['order_id']}/ship"))
    if received:
        good(await buyer.change(order["order_id"], "receive"))
        assert problem(await buyer.change(order["order_id"], "refund")) == (409, "not_refundable")
        assert await _held(shop, buyer) == (8, 0, 0, 105)
        return
    good(await buyer.change(order["order_id"], "refund"))
    await buyer.until(order["order_id"], status="CANCELLED", payment_status="REFUNDED", shipping_status="SHIPPED")
    await eventually(lambda: _held(shop, buyer), (8, 1_000, 0, 0))
    assert problem(await buyer.change(order["order_id"], "receive")) == (409, "not_receivable")


async def test_an_unpaid_order_is_not_refundable(shop: ShopClient, name: str) -> None:
    """What was not paid is cancelled, not refunded."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    assert problem(await buyer.change(order["order_id"], "refund")) == (409, "not_refundable")


async def test_refund_without_cash(shop: ShopClient, name: str) -> None:
    """An order that balance paid is refunded at once, without a platform."""
    await shop.load(goods=[product(name, 400, 10)])
    buyer = await shop.new_buyer(name, 1_000, [coupon(f"{name}-c", 100)])
    order = await buyer.placed(Line(name, 1, 400), coupon=f"{name}-c", discount=100, balance=900)
    refunded = good(await buyer.change(order["order_id"], "refund"))
    assert (refunded["status"], refunded["payment_status"]) == ("CANCELLED", "REFUNDED")
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1, 0))


async def test_partial_refunds(shop: ShopClient, name: str) -> None:
    """Operators refund parts, each once for its key, never more than was captured; the order stays paid."""
    buyer, order = await _paid(shop, name)
    payment_id = order["payment_id"]
    answers = [await shop.refund_part(payment_id, 1_050, "a") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["refund_id"] for answer in answers}) == 1
    assert problem(await shop.refund_part(payment_id, 1_051, "a")) == (422, "key_reused")
    await buyer.has(points=94)
    assert problem(await shop.refund_part(payment_id, 9_451, "b")) == (409, "amount_exceeds_captured")
    good(await shop.refund_part(payment_id, 1, "c"))
    await buyer.has(points=94)
    assert (await buyer.order(order["order_id"]))["payment_status"] == "PAID"
    await eventually(lambda: _refunded_by_platform(shop, payment_id), 1_051)
    assert await _held(shop, buyer) == (8, 0, 0, 94)


async def test_parts_and_the_rest(shop: ShopClient, name: str) -> None:
    """A whole refund after a part gives back the rest, and no more."""
    buyer, order = await _paid(shop, name)
    good(await shop.refund_part(order["payment_id"], 500, "a"))
    good(await buyer.change(order["order_id"], "refund"))
    await buyer.until(order["order_id"], payment_status="REFUNDED")
    assert await _refunded_by_platform(shop, order["payment_id"]) == 10_500
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1, 0))


async def test_parts_that_come_to_all(shop: ShopClient, name: str) -> None:
    """When parts have given everything back the order has ended, and everybody gives back."""
    buyer, order = await _paid(shop, name)
    good(await shop.refund_part(order["payment_id"], 10_000, "a"))
    good(await shop.refund_part(order["payment_id"], 500, "b"))
    await buyer.until(order["order_id"], status="CANCELLED", payment_status="REFUNDED")
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1, 0))


async def test_refunds_at_once_stay_within_what_was_captured(shop: ShopClient, name: str) -> None:
    """Parts and a whole refund at once never give back more than was captured."""
    buyer, order = await _paid(shop, name)
    parts = [shop.refund_part(order["payment_id"], 4_000, f"part-{number}") for number in range(5)]
    await asyncio.gather(*parts, buyer.change(order["order_id"], "refund"))
    await buyer.until(order["order_id"], payment_status="REFUNDED")
    assert await _refunded_by_platform(shop, order["payment_id"]) == 10_500
    await eventually(lambda: _held(shop, buyer), (10, 1_000, 1, 0))


async def test_refund_and_ship_at_once(shop: ShopClient, name: str) -> None:
    """Whoever comes first, goods that were shipped are not put back on the shelf, and goods that were not are."""
    for attempt in range(4):
        buyer, order = await _paid(shop, f"{name}-{attempt}")
        refund = buyer.change(order["order_id"], "refund")
        ship = shop.ops("POST", f"/api/ops/orders/{order['order_id']}/ship")
        await asyncio.gather(*([refund, ship] if attempt % 2 else [ship, refund]))
        ended = await buyer.until(order["order_id"], payment_status="REFUNDED")
        shipped = ended["shipping_status"] == "SHIPPED"
        await eventually(lambda buyer=buyer: _held(shop, buyer), (8, 1_000, 0, 0) if shipped else (10, 1_000, 1, 0))


@pytest.mark.parametrize(
    ("payment_id", "status", "code"), [("1", 404, "not_found"), ("x", 404, "not_found"), ("9" * 30, 404, "not_found")]
)
async def test_refund_of_an_unknown_payment(shop: ShopClient, payment_id: str, status: int, code: str) -> None:
    """A payment that is not there cannot be refunded."""
    assert problem(await shop.refund_part(payment_id, 100, "a")) == (status, code)
