"""Whole orders through HTTP: placed, paid, shipped, received, seen."""

import asyncio
import json

import pytest

from tests.support.shop_client import FEE, FREE_FROM, SETTLE, Line, ShopClient, coupon, good, order_body, product


async def test_place_and_pay(shop: ShopClient, name: str) -> None:
    """An order with coupon and balance is paid as soon as the platform says so, and everybody has heard of it."""
    await shop.load(goods=[product(name, 6_000, 10)])
    buyer = await shop.new_buyer(name, balance=5_000, coupons=[coupon(f"{name}-c", 700, 10_000)])
    order = await buyer.placed(Line(name, 2, 6_000), coupon=f"{name}-c", discount=700, balance=1_000)
    assert (order["status"], order["payment_status"], order["shipping_status"]) == ("CONFIRMED", "UNPAID", "UNSHIPPED")
    assert (order["goods_amount"], order["discount"], order["amount_due"]) == (12_000, 700, 10_300)
    assert await shop.stock(name) == 8

    payment = await buyer.pay(order["order_id"])
    paid = await buyer.until(order["order_id"], payment_status="PAID")
    assert paid["payment_id"] == payment["payment_id"]
    await buyer.has(balance=4_000, points=103)
    assert (await buyer.me())["coupons"] == []
    await _happened(shop, order["order_id"], "journal: payments: succeeded", "journal: orders: paid")


async def test_paid_without_asking_the_platform(shop: ShopClient, name: str) -> None:
    """The order is paid within a second of the platform's callback, long before anybody would ask."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    began = asyncio.get_running_loop().time()
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    assert asyncio.get_running_loop().time() - began < 10, "30 seconds after its opening a payment is asked about"


async def test_timeline_tells_the_whole_story(shop: ShopClient, name: str) -> None:
    """An operator sees what every service did for an order, in the order in which it happened."""
    await shop.load(goods=[product(name, 6_000)])
    buyer = await shop.new_buyer(name, balance=500, coupons=[coupon(f"{name}-c", 100)])
    order = await buyer.paid(Line(name, 2, 6_000), coupon=f"{name}-c", discount=100, balance=500)
    await _happened(shop, order["order_id"], "journal: orders: paid")
    story = await shop.timeline(order["order_id"])
    assert {"stock: taken", "coupons: taken", "accounts: taken"} <= set(story)
    told = ["orders: placed", "orders: confirmed", "payments: opened", "payments: captured", "orders: paid"]
    assert [moment for moment in story if moment in told] == told


async def test_nothing_due_is_paid_at_once(shop: ShopClient, name: str) -> None:
    """An order that balance and coupon pay in full is PAID when it is confirmed, and takes no payment."""
    await shop.load(goods=[product(name, 3_000)])
    buyer = await shop.new_buyer(name, balance=3_000, coupons=[coupon(f"{name}-c", 600)])
    order = await buyer.placed(Line(name, 1, 3_000), coupon=f"{name}-c", discount=600, balance=3_000)
    assert (order["amount_due"], order["payment_status"], order["payment_id"]) == (0, "PAID", None)
    answer = await buyer.open_payment(order["order_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "not_payable")
    await buyer.has(balance=0, points=0)


async def test_many_lines(shop: ShopClient, name: str) -> None:
    """An order of a hundred lines takes each of them."""
    skus = [f"{name}-{number:03}" for number in range(100)]
    await shop.load(goods=[product(sku, 100 + number, 50) for number, sku in enumerate(skus)])
    buyer = await shop.new_buyer(name)
    order = await buyer.paid(*[Line(sku, 1 + number % 3, 100 + number) for number, sku in enumerate(skus)])
    assert [line["sku"] for line in order["lines"]] == skus
    page = good(await shop.ops("GET", f"/api/goods?after={name}-&limit=100"))
    assert [one["stock"] for one in page["goods"]] == [49 - number % 3 for number in range(100)]


@pytest.mark.parametrize(("price", "fee"), [(FREE_FROM - 1, FEE), (FREE_FROM, 0)])
async def test_shipping_fee(shop: ShopClient, name: str, price: int, fee: int) -> None:
    """Goods below the limit cost a fee, from it on none; the other sum is refused."""
    await shop.load(goods=[product(name, price)])
    buyer = await shop.new_buyer(name)
    assert (await buyer.placed(Line(name, 1, price)))["amount_due"] == price + fee
    wrong = order_body(Line(name, 1, price)) | {"shipping_fee": FEE - fee, "amount_due": price + FEE - fee}
    answer = await buyer.place(wrong)
    assert (answer.status_code, answer.json()["code"]) == (409, "amount_mismatch")


async def test_a_coupon_never_covers_shipping(shop: ShopClient, name: str) -> None:
    """A coupon worth more than the goods leaves the fee to be paid."""
    await shop.load(goods=[product(name, 400)])
    buyer = await shop.new_buyer(name, coupons=[coupon(f"{name}-c", 5_000)])
    greedy = order_body(Line(name, 1, 400), coupon=f"{name}-c", discount=1_000)
    assert (await buyer.place(greedy)).json()["code"] == "amount_mismatch"
    order = await buyer.placed(Line(name, 1, 400), coupon=f"{name}-c", discount=400)
    assert (order["discount"], order["amount_due"]) == (400, FEE)


async def test_quote_is_what_an_order_costs(shop: ShopClient, name: str) -> None:
    """An order that says what the quote said is confirmed; a quote takes nothing."""
    await shop.load(goods=[product(name, 4_000, 5)])
    buyer = await shop.new_buyer(name, balance=900, coupons=[coupon(f"{name}-c", 300)])
    wanted = {"lines": [{"sku": name, "quantity": 1}], "coupon_id": f"{name}-c"}
    quoted = good(await buyer.send("POST", "/api/quotes", json=wanted))
    assert quoted == {
        "goods_amount": 4_000,
        "shipping_fee": FEE,
        "discount": 300,
        "balance": 900,
        "amount_due": 3_400,
    }
    assert await shop.stock(name) == 5
    order = await buyer.placed(Line(name, 1, 4_000), coupon=f"{name}-c", discount=300, balance=900)
    assert order["amount_due"] == quoted["amount_due"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"lines": [{"sku": "no-such-sku", "quantity": 1}]}, "unknown_sku"),
        ({"coupon_id": "no-such-coupon"}, "coupon_unusable"),
        ({"balance": 10}, "insufficient_balance"),
    ],
)
async def test_quotes_refuse(shop: ShopClient, name: str, wanted: dict[str, object], code: str) -> None:
    """A quote says what stands in the way."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    body = {"lines": [{"sku": name, "quantity": 1}]} | wanted
    assert (await buyer.send("POST", "/api/quotes", json=body)).json()["code"] == code


async def test_ship_and_receive(shop: ShopClient, name: str) -> None:
    """A paid order is shipped by operators and received by its buyer; then it is completed. Repeats change nothing."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    ship = f"/api/ops/orders/{order['order_id']}/ship"
    assert (await shop.ops("POST", ship)).json()["code"] == "not_shippable"
    await buyer.pay(order["order_id"])
    await buyer.until(order["order_id"], payment_status="PAID")
    assert (await buyer.change(order["order_id"], "receive")).json()["code"] == "not_receivable"
    for _ in range(2):
        assert good(await shop.ops("POST", ship))["shipping_status"] == "SHIPPED"
    for _ in range(2):
        received = good(await buyer.change(order["order_id"], "receive"))
        assert (received["status"], received["shipping_status"]) == ("COMPLETED", "RECEIVED")


async def test_events_tell_every_change(shop: ShopClient, name: str) -> None:
    """The event stream of an order tells each change of its status once, and ends when none can follow."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    url = f"{shop.process.url}/api/orders/{order['order_id']}/events"
    seen: list[str] = []
    async with asyncio.timeout(SETTLE), shop.http.stream("GET", url, headers=buyer.headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        moves = asyncio.create_task(_pay_ship_receive(shop, buyer.user, order["order_id"]))
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and line != "data: {}":
                seen.append(json.loads(line[6:])["why"])
        await moves
    assert seen == ["placed", "confirmed", "paid", "shipped", "received"]


async def test_another_users_order_is_not_there(shop: ShopClient, name: str) -> None:
    """Nobody sees, cancels, pays, refunds, receives or follows the order of somebody else."""
    await shop.load(goods=[product(name)])
    buyer, other = await shop.new_buyer(name), await shop.new_buyer(f"{name}-other")
    order_id: str = (await buyer.placed(Line(name, 1, 1_000)))["order_id"]
    answers = [await other.change(order_id, what) for what in ("cancel", "refund", "receive")]
    answers += [await other.send("GET", f"/api/orders/{order_id}{tail}") for tail in ("", "/events")]
    answers.append(await other.open_payment(order_id))
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert await other.orders() == []
    assert (await buyer.order(order_id))["status"] == "CONFIRMED"


async def test_orders_are_listed_page_by_page(shop: ShopClient, name: str) -> None:
    """A user's orders are listed newest first, each once, refused ones included."""
    await shop.load(goods=[product(name, stock=4)])
    buyer = await shop.new_buyer(name)
    placed = [(await buyer.placed(Line(name, 1, 1_000)))["order_id"] for _ in range(4)]
    refused = (await buyer.place(order_body(Line(name, 1, 1_000)))).json()
    assert refused["code"] == "out_of_stock"
    pages: list[str] = []
    after = ""
    while True:
        page = good(await buyer.send("GET", f"/api/orders?limit=2{after}"))
        pages += [order["order_id"] for order in page["orders"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert pages == [refused["order_id"], *reversed(placed)]


async def _pay_ship_receive(shop: ShopClient, user: str, order_id: str) -> None:
    buyer = await shop.buyer(user)
    await buyer.pay(order_id)
    await buyer.until(order_id, payment_status="PAID")
    good(await shop.ops("POST", f"/api/ops/orders/{order_id}/ship"))
    good(await buyer.change(order_id, "receive"))


async def _happened(shop: ShopClient, order_id: str, *moments: str) -> None:
    story: list[str] = []
    async with asyncio.timeout(SETTLE):
        while not set(moments) <= set(story):
            story = await shop.timeline(order_id)
            await asyncio.sleep(0.05)
