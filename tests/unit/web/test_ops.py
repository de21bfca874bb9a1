"""What operators do and look at."""

from typing import Any

import httpx
import pytest

from makegood.engine.dead_letters import DeadLetter
from makegood.engine.errors import Overloaded
from makegood.shop.payments.contracts import Break, RefusedNotice
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer

AT = "2023-11-14T22:13:20.000Z"


async def test_timeline(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """The timeline has what every service knows, in the order of time, each with its source."""
    order = await alice.order()
    shop.world.advance(1_000)
    payment = await alice.pay(order)
    shop.world.advance(1_000)
    await operator.post(f"/api/ops/payments/{payment['payment_id']}/refund", json={"amount": 100})
    timeline = (await operator.get(f"/api/ops/orders/{order['order_id']}/timeline")).json()
    assert (timeline["order_id"], timeline["missing"]) == (order["order_id"], [])
    assert timeline["order"]["payment_status"] == "PAID"
    moments = [(one["at"][17:19], one["source"], one["what"]) for one in timeline["moments"]]
    assert moments == [
        ("20", "orders", "opened"),
        ("20", "orders", "confirmed"),
        ("20", "journal", "orders: opened"),
        ("20", "journal", "orders: confirmed"),
        ("20", "stock", "taken"),
        ("21", "orders", "paid"),
        ("21", "payments", "opened"),
        ("21", "payments", "captured"),
        ("21", "journal", "orders: paid"),
        ("22", "payments", "refund requested"),
    ]
    [refund] = [one for one in timeline["moments"] if one["what"] == "refund requested"]
    assert refund["detail"]["payment_id"] == payment["payment_id"]


async def test_timeline_of_returned_goods(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """What was taken and given back is there twice, with both times."""
    order = await alice.order()
    shop.world.advance(5_000)
    await alice.post(f"/api/orders/{order['order_id']}/cancel")
    timeline = (await operator.get(f"/api/ops/orders/{order['order_id']}/timeline")).json()
    stock = [(one["at"][17:19], one["what"]) for one in timeline["moments"] if one["source"] == "stock"]
    assert stock == [("20", "taken"), ("25", "returned")]


async def test_timeline_without_a_service(alice: Buyer, operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """When services are away the timeline shows the rest, and says who is missing."""
    order = await alice.order()
    shop.failing |= {"payments.OfOrder": Overloaded("busy"), "journal.OfOrder": Overloaded("busy")}
    timeline = (await operator.get(f"/api/ops/orders/{order['order_id']}/timeline")).json()
    assert timeline["missing"] == ["journal", "payments"]
    assert [one["source"] for one in timeline["moments"]] == ["orders", "orders", "stock"]


async def test_timeline_of_nothing(operator: httpx.AsyncClient) -> None:
    """An order that nobody knows is 404."""
    assert (await operator.get("/api/ops/orders/1/timeline")).status_code == 404


async def test_refund(alice: Buyer, operator: httpx.AsyncClient) -> None:
    """A part is refunded once for each key; without a key each request is another refund."""
    payment = await alice.pay(await alice.order())
    path = f"/api/ops/payments/{payment['payment_id']}/refund"
    headers = {"Idempotency-Key": "r1"}
    first = await operator.post(path, json={"amount": 100}, headers=headers)
    again = await operator.post(path, json={"amount": 100}, headers=headers)
    assert first.status_code == 202
    assert first.json() == {
        "refund_id": first.json()["refund_id"],
        "amount": 100,
        "state": "REQUESTED",
        "at": AT,
    }
    assert first.json() == again.json()
    others = [(await operator.post(path, json={"amount": 100})).json()["refund_id"] for _ in range(2)]
    assert len({first.json()["refund_id"], *others}) == 3
    too_much = await operator.post(path, json={"amount": 1_301})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "amount_exceeds_captured")


async def test_refund_refused(operator: httpx.AsyncClient) -> None:
    """No payment, no amount and a bad key are refused."""
    path = "/api/ops/payments/1/refund"
    assert (await operator.post(path, json={"amount": 1})).status_code == 404
    for amount in (0, -1, "1", 10**10 + 1, None):
        assert (await operator.post(path, json={"amount": amount})).status_code == 422
    answer = await operator.post(path, json={"amount": 1}, headers={"Idempotency-Key": "a b"})
    assert answer.status_code == 422


async def test_dead_letters(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Dead letters come page by page with times people read, and one is replayed by its id."""
    for number in range(3):
        id = f"letter{number}=-_"
        at = shop.now()
        shop.letters[id] = DeadLetter(
            id, "points", "points", "payments", "succeeded", "7", 16, at, at, None, "boom", "{}"
        )
    page = (await operator.get("/api/ops/dead-letters?limit=2")).json()
    assert [one["id"] for one in page["dead_letters"]] == ["letter0=-_", "letter1=-_"]
    assert page["dead_letters"][0] | {"first_at": AT, "next_at": None} == page["dead_letters"][0]
    rest = (await operator.get(f"/api/ops/dead-letters?limit=2&after={page['next']}")).json()
    assert ([one["id"] for one in rest["dead_letters"]], rest["next"]) == (["letter2=-_"], None)
    assert (await operator.post("/api/ops/dead-letters/letter1=-_/replay")).status_code == 202
    assert shop.replayed == ["letter1=-_"]
    assert (await operator.post("/api/ops/dead-letters/letter9/replay")).status_code == 404


async def test_audit(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """The audit names each promise, and says whether all are kept."""
    kept = (await operator.get("/api/ops/audit")).json()
    shop.broken = 2
    broken = (await operator.get("/api/ops/audit")).json()
    promise: dict[str, Any] = {"promise": "P1", "title": "stock is never below zero", "checked": 2}
    assert kept == {"at": AT, "kept": True, "promises": [promise | {"broken": 0, "examples": []}]}
    assert broken == {"at": AT, "kept": False, "promises": [promise | {"broken": 2, "examples": ["tea 0", "tea 1"]}]}


async def test_services(operator: httpx.AsyncClient) -> None:
    """The figures of each service."""
    [service] = (await operator.get("/api/ops/services")).json()["services"]
    assert (service["service"], service["requests"], service["lag"]) == ("orders", 20, 5)


async def test_breaks(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """What a person has to settle, page by page, ids as strings."""
    shop.book.breaks = [
        Break(2**60 + number, "amount_mismatch", "alipay", "n", "t", 100, shop.now(), "100 or 200")
        for number in range(3)
    ]
    page = (await operator.get("/api/ops/breaks?limit=2")).json()
    assert [one["break_id"] for one in page["breaks"]] == [str(2**60), str(2**60 + 1)]
    rest = (await operator.get(f"/api/ops/breaks?after={page['next']}")).json()
    assert ([one["break_id"] for one in rest["breaks"]], rest["next"]) == ([str(2**60 + 2)], None)


async def test_refused_notices(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """Callbacks nobody should believe are shown, whatever bytes they had."""
    shop.book.refused = [RefusedNotice(5, "alipay", "signature", "it does not match", shop.now(), b"a=\xff")]
    [notice] = (await operator.get("/api/ops/refused-notices")).json()["notices"]
    assert (notice["refusal_id"], notice["at"], notice["body"]) == ("5", AT, "a=\ufffd")


def document(**parts: Any) -> dict[str, Any]:
    """A load file of one good, one user and one coupon."""
    return {
        "goods": [{"sku": "cake", "title": "蛋糕", "price": 500, "stock": 7}],
        "users": [{"user": "erin", "password": "demo", "balance": 9}],
        "coupons": [
            {"coupon_id": "c9", "user": "erin", "value": 5, "minimum": 0, "valid_until": "2030-12-31T00:00:00Z"}
        ],
    } | parts


async def test_load(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """A load file is taken in; the same again changes nothing."""
    answer = await operator.post("/api/ops/load", json=document())
    assert answer.json() == {"goods": 1, "users": 1, "coupons": 1, "added": 3, "changed": 0}
    assert (shop.goods["cake"].stock, shop.balances["erin"]) == (7, 9)
    assert shop.coupons["c9"].valid_until == 1_924_905_600_000
    again = await operator.post("/api/ops/load", json=document())
    assert again.json()["added"] == 0
    assert shop.goods["cake"].stock == 7


async def test_load_refused(operator: httpx.AsyncClient, shop: PeerShop) -> None:
    """One bad row, or a price that differs, and nothing of the file is taken in."""
    bad_row = document(users=[{"user": "erin", "balance": -1}])
    other_price = document(goods=[{"sku": "tea", "title": "Tea", "price": 1, "stock": 1}])
    for body, place in ((bad_row, "users[0].balance"), (other_price, "good tea")):
        answer = await operator.post("/api/ops/load", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "load_refused")
        assert place in answer.json()["problems"][0]
    assert "erin" not in shop.balances
    assert "c9" not in shop.coupons


async def test_load_bounds(operator: httpx.AsyncClient) -> None:
    """More than 8 MiB is 413, another Content-Type 415."""
    large = await operator.post("/api/ops/load", content=b" " * (8 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    text = await operator.post("/api/ops/load", content=b"{}", headers={"Content-Type": "text/csv"})
    assert text.status_code == 415


@pytest.mark.parametrize("path", ["/api/ops/dead-letters", "/api/ops/breaks", "/api/ops/refused-notices"])
async def test_pages_are_bounded(operator: httpx.AsyncClient, path: str) -> None:
    """A page has at most 1,000 rows."""
    assert (await operator.get(f"{path}?limit=1001")).status_code == 422
    assert (await operator.get(f"{path}?limit=1000")).status_code == 200
