"""Orders the shop refuses: each with its code, each a decision that stands, and nothing stays taken."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.shop_client import Buyer, Json, Line, ShopClient, coupon, eventually, order_body, problem, product

PRICE, STOCK, BALANCE = 2_000, 10, 1_500


async def _buyer(shop: ShopClient, name: str) -> Buyer:
    """A buyer with a good coupon, one that is over, and one with a minimum; and coupons of somebody else."""
    await shop.load(goods=[product(name, PRICE, STOCK), product(f"{name}-two", PRICE, STOCK)])
    over = (datetime.now(UTC) - timedelta(seconds=5)).isoformat().replace("+00:00", "Z")
    await shop.new_buyer(f"{name}-other", coupons=[coupon(f"{name}-theirs", 100)])
    mine = [coupon(f"{name}-c", 100), coupon(f"{name}-over", 100, valid_until=over), coupon(f"{name}-big", 100, 9_999)]
    return await shop.new_buyer(name, BALANCE, mine)


def _bodies(name: str) -> dict[str, tuple[Json, str]]:
    one, two = Line(name, 1, PRICE), Line(f"{name}-two", 1, PRICE)
    right = order_body(one)
    return {
        "too many": (order_body(Line(name, STOCK + 1, PRICE)), "out_of_stock"),
        "one line too many": (order_body(one, Line(f"{name}-two", STOCK + 1, PRICE)), "out_of_stock"),
        "an old price": (order_body(two, Line(name, 1, PRICE - 1)), "price_changed"),
        "an unknown SKU": (order_body(one, Line(f"{name}-none", 1, PRICE)), "unknown_sku"),
        "an unknown coupon": (order_body(one, coupon=f"{name}-none", discount=100), "coupon_unusable"),
        "another's coupon": (order_body(one, coupon=f"{name}-theirs", discount=100), "coupon_unusable"),
        "an expired coupon": (order_body(one, coupon=f"{name}-over", discount=100), "coupon_unusable"),
        "below the minimum": (order_body(one, coupon=f"{name}-big", discount=100), "coupon_unusable"),
        "too little balance": (
            order_body(one, coupon=f"{name}-c", discount=100, balance=BALANCE + 1),
            "insufficient_balance",
        ),
        "another discount": (order_body(one, coupon=f"{name}-c", discount=101, balance=100), "amount_mismatch"),
        "a discount without a coupon": (order_body(one, discount=100), "amount_mismatch"),
        "too little due": (right | {"amount_due": right["amount_due"] - 1}, "amount_mismatch"),
        "another fee": (right | {"shipping_fee": 0, "amount_due": PRICE}, "amount_mismatch"),
        "a huge balance": (right | {"balance": 5_000_000_000_000_000_000}, "amount_mismatch"),
    }


@pytest.mark.parametrize("case", list(_bodies("any")))
async def test_refused_and_nothing_stays_taken(shop: ShopClient, name: str, case: str) -> None:
    """The refusal has its code and its order, a repeat is refused alike, and all that was taken comes back."""
    buyer = await _buyer(shop, name)
    body, code = _bodies(name)[case]
    status = 422 if code == "unknown_sku" else 409
    answers = [await buyer.place(body, "the-key") for _ in range(2)]
    assert [problem(answer) for answer in answers] == [(status, code)] * 2
    order = await buyer.order(answers[0].json()["order_id"])
    assert (order["status"], order["payment_status"], order["decision"]) == ("CANCELLED", "UNPAID", code)
    assert await _held(shop, buyer) == (STOCK, STOCK, BALANCE, 1)


async def test_a_coupon_is_used_once(shop: ShopClient, name: str) -> None:
    """Of many orders at once with the same coupon one is confirmed, and the others give back what they took."""
    buyer = await _buyer(shop, name)
    body = order_body(Line(name, 1, PRICE), coupon=f"{name}-c", discount=100, balance=100)
    answers = await asyncio.gather(*[buyer.place(body) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json().get("code") for answer in answers} == {None, "coupon_unusable"}
    await eventually(lambda: _held_now(shop, buyer), (STOCK - 1, STOCK, BALANCE - 100, 0))


async def test_a_balance_is_spent_once(shop: ShopClient, name: str) -> None:
    """Of many orders at once no more are confirmed than the balance pays."""
    buyer = await _buyer(shop, name)
    answers = await asyncio.gather(
        *[buyer.place(order_body(Line(name, 1, PRICE), balance=BALANCE // 3)) for _ in range(8)]
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    await eventually(lambda: _held_now(shop, buyer), (STOCK - 3, STOCK, 0, 1))


async def test_a_limit_holds_for_each_buyer(shop: ShopClient, name: str) -> None:
    """Who has as many as one buyer may have gets no more, until an order is cancelled."""
    await shop.load(goods=[product(name, PRICE, STOCK, limit=2)])
    buyer, other = await shop.new_buyer(name), await shop.new_buyer(f"{name}-other")
    assert problem(await buyer.place(order_body(Line(name, 3, PRICE)))) == (409, "limit_exceeded")
    first = await buyer.placed(Line(name, 2, PRICE))
    assert problem(await buyer.place(order_body(Line(name, 1, PRICE)))) == (409, "limit_exceeded")
    await other.placed(Line(name, 2, PRICE))
    await buyer.change(first["order_id"], "cancel")
    await eventually(lambda: shop.stock(name), STOCK - 2)
    await buyer.placed(Line(name, 1, PRICE))


async def _held(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int, int]:
    """Stock of both goods, balance, and usable coupons, once they have settled."""
    await eventually(lambda: _held_now(shop, buyer), (STOCK, STOCK, BALANCE, 1))
    return await _held_now(shop, buyer)


async def _held_now(shop: ShopClient, buyer: Buyer) -> tuple[int, int, int, int]:
    me = await buyer.me()
    usable = [one for one in me["coupons"] if one["coupon_id"] == f"{buyer.user}-c"]
    return (await shop.stock(buyer.user), await shop.stock(f"{buyer.user}-two"), me["balance"], len(usable))
