"""Placing, looking at and changing orders over HTTP."""

import asyncio

import httpx
import pytest

from makegood.engine.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    OperationFailed,
    Overloaded,
    ServiceUnavailable,
)
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer, order_body

CANCEL = "/api/orders/1/cancel"


async def test_confirmed(alice: Buyer, shop: PeerShop) -> None:
    """A confirmed order is 201 with its whole body, and its address in Location."""
    answer = await alice.place(order_body(2, coupon_id="c1", balance=1_000, amount_due=1_300))
    order = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/orders/{order['order_id']}"
    assert answer.headers["content-type"] == "application/json"
    at = "2023-11-14T22:13:20.000Z"
    assert order == {
        "order_id": order["order_id"],
        "status": "CONFIRMED",
        "payment_status": "UNPAID",
        "shipping_status": "UNSHIPPED",
        "amount_due": 1_300,
        "lines": [{"sku": "tea", "quantity": 2, "unit_price": 1_000}],
        "goods_amount": 2_000,
        "coupon_id": "c1",
        "discount": 300,
        "shipping_fee": 600,
        "balance": 1_000,
        "decision": "confirmed",
        "created_at": at,
        "pay_by": "2023-11-14T22:28:20.000Z",
        "payment_id": None,
        "changes": [
            {"at": at, "status": "OPEN", "payment_status": "UNPAID", "shipping_status": "UNSHIPPED", "why": "opened"},
            {
                "at": at,
                "status": "CONFIRMED",
                "payment_status": "UNPAID",
                "shipping_status": "UNSHIPPED",
                "why": "confirmed",
            },
        ],
    }
    assert isinstance(order["order_id"], str)
    assert shop.goods["tea"].stock == 8


async def test_repeat(alice: Buyer, shop: PeerShop) -> None:
    """A repeat of the key answers as the first did and takes nothing; another body is 422."""
    first = await alice.place(order_body(), key="same")
    again = await alice.place(order_body(), key="same")
    other = await alice.place(order_body(2), key="same")
    assert (again.status_code, again.json()) == (201, first.json())
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert shop.goods["tea"].stock == 9


async def test_keys_are_users_own(alice: Buyer, bob: Buyer) -> None:
    """Two users may use the same key."""
    assert (await alice.place(order_body(), key="k")).status_code == 201
    assert (await bob.place(order_body(2), key="k")).status_code == 201


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"quantity": 11}, 409, "out_of_stock"),
        ({"lines": [{"sku": "tea", "quantity": 1, "unit_price": 999}]}, 409, "price_changed"),
        ({"coupon_id": "nobody's"}, 409, "coupon_unusable"),
        ({"balance": 5_001}, 409, "insufficient_balance"),
        ({"amount_due": 1}, 409, "amount_mismatch"),
        ({"lines": [{"sku": "coffee", "quantity": 1, "unit_price": 1}]}, 422, "unknown_sku"),
    ],
)
async def test_refusals(alice: Buyer, changed: dict[str, object], status: int, code: str) -> None:
    """A refusal is a problem with the code of the refusal and the order's id, and a repeat says the same."""
    body = order_body(**changed)  # pyright: ignore[reportArgumentType]
    for _ in range(2):
        answer = await alice.place(body, key="refused")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        refused = await alice.get(f"/api/orders/{answer.json()['order_id']}")
        assert refused.json()["decision"] == code


async def test_undecided(alice: Buyer, shop: PeerShop) -> None:
    """An order that is not decided yet is 202 with status OPEN and its address."""
    shop.book.undecided = True
    answer = await alice.place(order_body())
    assert (answer.status_code, answer.json()["status"]) == (202, "OPEN")
    looked = await alice.get(answer.headers["location"])
    assert (looked.status_code, looked.json()) == (200, answer.json())


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Overloaded("full", 2.4), 503, "overloaded", "3"),
        (DeadlineExceeded("late"), 504, "timeout", None),
        (ServiceUnavailable("away"), 504, "timeout", None),
        (DatabaseUnavailable("full"), 504, "timeout", None),
        (OperationFailed("secret-detail"), 500, "internal_error", None),
        (ZeroDivisionError("secret-detail"), 500, "internal_error", None),
    ],
)
async def test_placing_fails(
    alice: Buyer, shop: PeerShop, error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    """503 only says that nothing was written; where that is not known it is 504, and a bug is 500 without internals."""
    shop.failing["orders.Place"] = error
    answer = await alice.place(order_body())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers.get("retry-after") == retry_after
    assert "secret" not in answer.text


async def test_other_failures(alice: Buyer, shop: PeerShop) -> None:
    """Behind the framework, too: what reads is 503 when a service is away, what writes is 504, a bug is 500."""
    for error, read, written in (
        (Overloaded("full"), 503, 503),
        (DeadlineExceeded("late"), 504, 504),
        (ServiceUnavailable("away"), 503, 504),
        (DatabaseUnavailable("full"), 503, 504),
        (OperationFailed("secret-detail"), 500, 500),
        (ZeroDivisionError("secret-detail"), 500, 500),
    ):
        shop.failing |= {"orders.OfUser": error, "orders.Cancel": error}
        for answer, status in ((await alice.get("/api/orders"), read), (await alice.post(CANCEL), written)):
            assert answer.status_code == answer.json()["status"] == status
            assert ("retry-after" in answer.headers) == (status == 503)
            assert "secret" not in answer.text


async def test_own_orders_only(alice: Buyer, bob: Buyer) -> None:
    """Another user's order is 404, as one that does not exist, whatever is asked of it."""
    order = await alice.order()
    for id in (order["order_id"], "1", "0", "x", "9" * 19, "9" * 30, "%E4%BA%8C"):
        assert (await bob.get(f"/api/orders/{id}")).status_code == 404
        assert (await bob.get(f"/api/orders/{id}/events")).status_code == 404
        for action in ("cancel", "refund", "receive"):
            assert (await bob.post(f"/api/orders/{id}/{action}")).status_code == 404
    assert (await bob.get("/api/orders")).json() == {"orders": [], "next": None}


async def test_list_pages(alice: Buyer) -> None:
    """The list gives the newest first, and `next` leads through all of them."""
    ids = [(await alice.order())["order_id"] for _ in range(5)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await alice.get("/api/orders", params={"limit": 2} | ({"after": after} if after else {}))).json()
        seen += [order["order_id"] for order in page["orders"]]
        after = page["next"]
    assert seen == ids[::-1]


async def test_cancel(alice: Buyer) -> None:
    """An unpaid order is cancelled; a paid one is 409 not_cancellable."""
    order = await alice.order()
    cancelled = await alice.post(f"/api/orders/{order['order_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    order = await alice.order()
    await alice.pay(order)
    refused = await alice.post(f"/api/orders/{order['order_id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_cancellable")


async def test_cancel_undecided(alice: Buyer, shop: PeerShop) -> None:
    """A cancel that waits for the platform is 202 with the order as it is now."""
    order = await alice.order()
    shop.book.undecided = True
    answer = await alice.post(f"/api/orders/{order['order_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "CONFIRMED")


async def test_refund_and_receive(alice: Buyer, operator: httpx.AsyncClient) -> None:
    """Paid, shipped and received, and refunded: each after what must come before it, else 409."""
    order = await alice.order()
    path = f"/api/orders/{order['order_id']}"
    assert (await alice.post(f"{path}/refund")).json()["code"] == "not_refundable"
    assert (await alice.post(f"{path}/receive")).json()["code"] == "not_receivable"
    refused = await operator.post(f"/api/ops/orders/{order['order_id']}/ship")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_shippable")
    await alice.pay(order)
    shipped = await operator.post(f"/api/ops/orders/{order['order_id']}/ship")
    assert (shipped.status_code, shipped.json()["shipping_status"]) == (200, "SHIPPED")
    assert (await alice.post(f"{path}/receive")).json()["status"] == "COMPLETED"
    other = await alice.order()
    await alice.pay(other)
    refunded = await alice.post(f"/api/orders/{other['order_id']}/refund")
    assert (refunded.status_code, refunded.json()["payment_status"]) == (200, "REFUNDING")


async def test_many_at_once(alice: Buyer, bob: Buyer, shop: PeerShop) -> None:
    """Twenty buyers of ten pieces: ten are 201, ten are 409, and nothing is left."""
    answers = await asyncio.gather(*[buyer.place(order_body()) for _ in range(10) for buyer in (alice, bob)])
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 10
    assert shop.goods["tea"].stock == 0
