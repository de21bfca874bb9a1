"""The goods, quotes, payments and callbacks over HTTP."""

from urllib.parse import quote

import httpx
import pytest

from tests.unit.web.peer import PeerShop
from tests.unit.web.people import Buyer


async def test_goods(alice: Buyer) -> None:
    """Goods come in SKU order, page by page, with what a buyer needs to know."""
    page = (await alice.get("/api/goods?limit=1")).json()
    cup = {"sku": "cup/blue", "title": "A blue cup", "price": 2_000, "stock": 3, "limit": 2}
    tea = {"sku": "tea", "title": "Green tea", "price": 1_000, "stock": 10, "limit": None}
    assert page == {"goods": [cup], "next": "cup/blue"}
    assert (await alice.get(f"/api/goods?after={quote(page['next'])}")).json() == {"goods": [tea], "next": None}


async def test_good(alice: Buyer) -> None:
    """One of the goods by its SKU, slashes and all; an unknown SKU is 404."""
    assert (await alice.get("/api/goods/tea")).json()["title"] == "Green tea"
    assert (await alice.get("/api/goods/cup%2Fblue")).json()["title"] == "A blue cup"
    assert (await alice.get("/api/goods/cup/blue")).json()["title"] == "A blue cup"
    for sku in ("coffee", "cup", "cup%2F", "a%20b", "%E8%8C%B6", "s" * 65, "%00"):
        answer = await alice.get(f"/api/goods/{sku}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_quote(alice: Buyer, shop: PeerShop) -> None:
    """A quote says what an order would cost, and reserves nothing."""
    answer = await alice.post("/api/quotes", json={"lines": [{"sku": "tea", "quantity": 2}], "balance": 100})
    assert (answer.status_code, answer.json()) == (
        200,
        {"goods_amount": 2_000, "shipping_fee": 600, "discount": 0, "balance": 100, "amount_due": 2_500},
    )
    assert shop.goods["tea"].stock == 10
    too_much = await alice.post("/api/quotes", json={"lines": [{"sku": "tea", "quantity": 10}], "balance": 9_999})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "insufficient_balance")


async def test_pay(alice: Buyer) -> None:
    """A payment is 201 with its page; the callback gets its exact answer, and the order becomes paid."""
    order = await alice.order()
    opened = await alice.pay(order)
    assert opened["pay_url"] == f"http://127.0.0.1:8001/cashier/{opened['payment_id']}"
    looked = (await alice.get(f"/api/orders/{order['order_id']}")).json()
    assert (looked["payment_status"], looked["payment_id"]) == ("PAID", opened["payment_id"])
    again = await alice.post("/api/payments", json={"order_id": order["order_id"], "channel": "alipay"})
    assert (again.status_code, again.json()["code"]) == (409, "not_payable")


async def test_pay_refused(alice: Buyer, bob: Buyer) -> None:
    """Another's order is 404, an unknown channel 422."""
    order = await alice.order()
    body = {"order_id": order["order_id"], "channel": "alipay"}
    assert (await bob.post("/api/payments", json=body)).status_code == 404
    answer = await alice.post("/api/payments", json=body | {"channel": "cash"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_channel")


async def test_notice_arrives_as_sent(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """Body and headers of a callback reach payments byte for byte, whatever its Content-Type; no token is asked for."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Wechatpay-Signature": "a+b/c=="}
    answer = await http.post("/api/payments/notify/alipay", content=b"a=%FF&b=\xff", headers=headers)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"failure", "text/plain")
    [notice] = shop.book.notices
    assert (notice.channel, notice.body) == ("alipay", b"a=%FF&b=\xff")
    assert notice.headers["wechatpay-signature"] == "a+b/c=="
    assert notice.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_notice_unknown_channel(http: httpx.AsyncClient) -> None:
    """The payments service's own status is the answer's."""
    answer = await http.post("/api/payments/notify/cash", content=b'{"payment_id": 1, "amount": 1}')
    assert (answer.status_code, answer.content) == (404, b"failure")


async def test_notice_fails(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """A bug behind a callback is 500, so that the platform calls again."""
    shop.failing["payments.Notify"] = ZeroDivisionError()
    assert (await http.post("/api/payments/notify/alipay", content=b"{}")).status_code == 500


@pytest.mark.parametrize("text", ["http://127.0.0.1:8001/cashier/abc", "茶", "x" * 512])
async def test_qr_code(http: httpx.AsyncClient, text: str) -> None:
    """A text as a picture that needs no token, for an <img> sends none."""
    answer = await http.get("/api/qr.svg", params={"text": text})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.content.startswith(b"<svg")


async def test_qr_code_is_bounded(http: httpx.AsyncClient) -> None:
    """No text, and too long a text, are refused."""
    for query in ("", "?text=", f"?text={'x' * 513}"):
        assert (await http.get(f"/api/qr.svg{query}")).status_code == 422
