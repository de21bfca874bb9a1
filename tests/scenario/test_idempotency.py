"""An Idempotency-Key stands for one order: a repeat answers as the first did, whatever became of the order since."""

import asyncio

from tests.support.shop_client import Line, ShopClient, order_body, problem, product

FIXED = ("order_id", "lines", "amount_due", "goods_amount", "discount", "balance", "created_at", "decision")


async def test_a_repeat_answers_as_the_first(shop: ShopClient, name: str) -> None:
    """The same order comes again under the same key, and stock is taken once."""
    await shop.load(goods=[product(name, stock=5)])
    buyer = await shop.new_buyer(name)
    body = order_body(Line(name, 2, 1_000))
    first, again = [await buyer.place(body, "key") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"] == f"/api/orders/{first.json()['order_id']}"
    assert await shop.stock(name) == 3


async def test_a_repeat_after_cancel_is_still_201(shop: ShopClient, name: str) -> None:
    """The decision is kept apart from the status: a confirmed order that was cancelled is answered 201, and not placed
    again."""
    await shop.load(goods=[product(name, stock=5)])
    buyer = await shop.new_buyer(name)
    body = order_body(Line(name, 2, 1_000))
    first = (await buyer.place(body, "key")).json()
    await buyer.change(first["order_id"], "cancel")
    again = await buyer.place(body, "key")
    assert again.status_code == 201
    assert {field: again.json()[field] for field in FIXED} == {field: first[field] for field in FIXED}
    assert again.json()["status"] == "CANCELLED"
    assert len(await buyer.orders()) == 1


async def test_another_body_under_the_key_is_refused(shop: ShopClient, name: str) -> None:
    """A key that was used with another body is 422, and the first order stays as it is."""
    await shop.load(goods=[product(name, stock=5)])
    buyer = await shop.new_buyer(name)
    await buyer.place(order_body(Line(name, 1, 1_000)), "key")
    assert problem(await buyer.place(order_body(Line(name, 2, 1_000)), "key")) == (422, "key_reused")
    assert await shop.stock(name) == 4


async def test_the_same_body_written_otherwise_is_the_same(shop: ShopClient, name: str) -> None:
    """Order of fields, spaces, and an explicit null do not make another body."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    body = order_body(Line(name, 1, 1_000))
    first = await buyer.place(body, "key")
    again = await buyer.place({"coupon_id": None} | dict(reversed(body.items())), "key")
    assert (again.status_code, again.json()["order_id"]) == (201, first.json()["order_id"])


async def test_keys_are_each_users_own(shop: ShopClient, name: str) -> None:
    """Two users may use the same key; each has an order of their own."""
    await shop.load(goods=[product(name)])
    buyers = [await shop.new_buyer(f"{name}-{number}") for number in range(2)]
    answers = [await buyer.place(order_body(Line(name, 1, 1_000)), "the-key") for buyer in buyers]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len({answer.json()["order_id"] for answer in answers}) == 2


async def test_equal_keys_at_once_are_one_order(shop: ShopClient, name: str) -> None:
    """Twenty requests at once with one key are one order, and all of them hear of it."""
    await shop.load(goods=[product(name, stock=50)])
    buyer = await shop.new_buyer(name)
    body = order_body(Line(name, 1, 1_000))
    answers = await asyncio.gather(*[buyer.place(body, "key") for _ in range(20)])
    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    assert await shop.stock(name) == 49


async def test_equal_keys_with_other_bodies_at_once(shop: ShopClient, name: str) -> None:
    """Of different bodies at once under one key the first wins, and the others are refused."""
    await shop.load(goods=[product(name, stock=50)])
    buyer = await shop.new_buyer(name)
    bodies = [order_body(Line(name, 1 + number % 4, 1_000)) for number in range(20)]
    answers = await asyncio.gather(*[buyer.place(body, "key") for body in bodies])
    [order] = await buyer.orders()
    won = order["lines"][0]["quantity"]
    expected = [201 if 1 + number % 4 == won else 422 for number in range(20)]
    assert [answer.status_code for answer in answers] == expected
    assert await shop.stock(name) == 50 - won


async def test_a_malformed_order_does_not_use_up_the_key(shop: ShopClient, name: str) -> None:
    """What was refused at the door may come again, corrected, under the same key."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    body = order_body(Line(name, 1, 1_000))
    assert problem(await buyer.place(body | {"amount_due": "1600"}, "key")) == (422, "malformed")
    assert (await buyer.place(body, "key")).status_code == 201


async def test_a_payment_is_opened_once(shop: ShopClient, name: str) -> None:
    """Asking again, and at once, for a payment of the same order and channel gives the same payment."""
    await shop.load(goods=[product(name)])
    buyer = await shop.new_buyer(name)
    order = await buyer.placed(Line(name, 1, 1_000))
    answers = await asyncio.gather(*[buyer.open_payment(order["order_id"]) for _ in range(8)])
    answers.append(await buyer.open_payment(order["order_id"]))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
