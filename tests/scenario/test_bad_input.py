"""Whatever is sent to the real shop, the answer is a problem with a stable code, and nothing is taken."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tests.support.shop_client import Buyer, Json, Line, ShopClient, eventually, order_body, problem, product

PRICE, STOCK, BALANCE = 1_000, 20, 5_000
INT64, HUGE = 2**63, 10**400
KIB = 1024


async def _buyer(shop: ShopClient, name: str) -> Buyer:
    await shop.load(goods=[product(name, PRICE, STOCK)])
    return await shop.new_buyer(name, BALANCE)


def _orders(name: str) -> dict[str, tuple[Any, str]]:
    """Bodies that are no order, and the code each is refused with."""
    good = order_body(Line(name, 1, PRICE))
    line = good["lines"][0]
    amounts = {"below zero": -1, "2^63": INT64, "beyond any number": HUGE, "text": "1", "a fraction": 1.5, "null": None}
    quantities = {"none": 0, "below zero": -1, "too many": 1_000_001, "2^63": INT64, "text": "1", "true": True}
    bad: dict[str, tuple[Any, str]] = {
        f"{field} is {what}": (good | {field: value}, "malformed")
        for field in ("balance", "shipping_fee", "amount_due")
        for what, value in amounts.items()
    }
    for what, value in quantities.items():
        bad[f"quantity: {what}"] = (good | {"lines": [line | {"quantity": value}]}, "malformed")
    for what, value in {"nothing": 0, "below zero": -5, "2^63": INT64, "text": "9"}.items():
        bad[f"unit price: {what}"] = (good | {"lines": [line | {"unit_price": value}]}, "malformed")
    for what, value in {"empty": "", "too long": "s" * 65, "a number": 5, "Chinese": "茶", "a NUL": "a\0"}.items():
        bad[f"SKU: {what}"] = (good | {"lines": [line | {"sku": value}]}, "malformed")
    return bad | {
        "a SKU twice": (good | {"lines": [line, line]}, "duplicate_sku"),
        "no lines": (good | {"lines": []}, "malformed"),
        "501 lines": (good | {"lines": [line | {"sku": f"s{number}"} for number in range(501)]}, "malformed"),
        "lines are an object": (good | {"lines": line}, "malformed"),
        "an unknown field": (good | {"discount": 5}, "malformed"),
        "a missing field": ({"lines": [line]}, "malformed"),
        "an unknown SKU": (order_body(Line(f"{name}-none", 1, PRICE)), "unknown_sku"),
        "a list": ([good], "malformed"),
        "null": (None, "malformed"),
    }


RAW: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"lines": [{"sku": "a"',
    "no JSON": b"lines=a&balance=1",
    "no UTF-8": b'{"lines": "\xff\xfe"}',
    "a lone surrogate": b'{"lines":[{"sku":"\\ud800","quantity":1,"unit_price":1}]}',
    "nested deeply": b"[" * 100_000,
    "NaN": b'{"balance": NaN}',
    "two documents": b"{}{}",
}


async def test_bad_orders(shop: ShopClient, name: str) -> None:
    """A body that is no order is 422, its key is not used up, and nothing is taken."""
    buyer = await _buyer(shop, name)
    for what, (body, code) in _orders(name).items():
        key = "known" if code == "unknown_sku" else "the-key"
        assert problem(await buyer.place(body, key)) == (422, code), what
    assert [order["decision"] for order in await buyer.orders()] == ["unknown_sku"]
    assert (await shop.stock(name), (await buyer.me())["balance"]) == (STOCK, BALANCE)
    assert (await buyer.place(order_body(Line(name, 1, PRICE)), "the-key")).status_code == 201


@pytest.mark.parametrize("path", ["/api/orders", "/api/quotes", "/api/payments"])
async def test_bad_json(shop: ShopClient, name: str, path: str) -> None:
    """What is no JSON is refused everywhere alike."""
    buyer = await _buyer(shop, name)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    for what, body in RAW.items():
        answer = await buyer.send("POST", path, content=body, headers=headers)
        assert problem(answer) == (422, "malformed"), what
    form = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k"}
    assert problem(await buyer.send("POST", path, content=b"a=b", headers=form)) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/api/orders", "/api/quotes", "/api/payments", "/api/payments/notify/alipay"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_huge_bodies(shop: ShopClient, name: str, path: str, chunked: bool) -> None:
    """A body that is too large is refused, whether or not its length was announced."""
    buyer = await _buyer(shop, name)

    async def pieces() -> Any:
        for _ in range(64):
            yield b" " * (16 * KIB)

    body = pieces() if chunked else b" " * (1024 * KIB)
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    assert problem(await buyer.send("POST", path, content=body, headers=headers)) == (413, "body_too_large")


async def test_bad_keys(shop: ShopClient, name: str) -> None:
    """An order needs one key of 1 to 128 printable characters."""
    buyer = await _buyer(shop, name)
    body = order_body(Line(name, 1, PRICE))
    assert problem(await buyer.send("POST", "/api/orders", json=body)) == (400, "idempotency_key_missing")
    for key in (b"k" * 129, b"a b", "schlüssel".encode("latin-1"), b"\xff"):
        headers = [(b"Authorization", buyer.headers["Authorization"].encode()), (b"Idempotency-Key", key)]
        answer = await shop.http.post(f"{shop.process.url}/api/orders", json=body, headers=headers)
        assert problem(answer) == (422, "malformed"), key
    assert await buyer.orders() == []


async def test_bad_payments(shop: ShopClient, name: str) -> None:
    """Payments of nothing, of orders that cannot be paid, and through channels that are not there are refused."""
    buyer = await _buyer(shop, name)
    order_id: str = (await buyer.placed(Line(name, 1, PRICE)))["order_id"]
    for body, expected in (
        ({"order_id": "1", "channel": "alipay"}, (404, "not_found")),
        ({"order_id": "9" * 19, "channel": "alipay"}, (404, "not_found")),
        ({"order_id": int(order_id), "channel": "alipay"}, (422, "malformed")),
        ({"order_id": "-1", "channel": "alipay"}, (422, "malformed")),
        ({"order_id": order_id, "channel": "bank"}, (422, "unknown_channel")),
        ({"order_id": order_id, "channel": "../alipay"}, (422, "malformed")),
        ({"order_id": order_id, "channel": "alipay", "amount": 1}, (422, "malformed")),
        ({"order_id": order_id}, (422, "malformed")),
    ):
        assert problem(await buyer.send("POST", "/api/payments", json=body)) == expected, body


async def test_bad_refunds(shop: ShopClient, name: str) -> None:
    """Operators cannot refund nothing, less than nothing, or more than there is."""
    buyer = await _buyer(shop, name)
    order = await buyer.paid(Line(name, 1, PRICE))
    path = f"/api/ops/payments/{order['payment_id']}/refund"
    for amount in (0, -1, 10_000_000_001, INT64, HUGE, "1", 1.5, None):
        assert problem(await shop.ops("POST", path, json={"amount": amount})) == (422, "malformed"), amount
    assert problem(await shop.ops("POST", path, json={"amount": 1_601})) == (409, "amount_exceeds_captured")


async def test_bad_tokens(shop: ShopClient, name: str) -> None:
    """A token that is forged, changed, expired, of another kind or missing lets nobody in."""
    buyer = await _buyer(shop, name)
    token = buyer.headers["Authorization"].removeprefix("Bearer ")
    head, claims, signature = token.split(".")
    other = (await shop.new_buyer(f"{name}-other")).headers["Authorization"].removeprefix("Bearer ").split(".")
    key = bytes.fromhex(json.loads((shop.process.data / "secrets.json").read_text())["signing_key"])
    claims_of = {"sub": name, "iat": 0, "exp": 2**40}
    forged = {
        "another's claims": f"{head}.{other[1]}.{signature}",
        "no signature": f"{head}.{claims}.",
        "no algorithm": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "another key": _signed(claims_of, b"k" * 32),
        "expired": _signed(claims_of | {"exp": int(time.time()) - 1}, key),
        "nobody's": _signed(claims_of | {"sub": ""}, key),
        "half": token[: len(token) // 2],
        "a word": "token",
        "very long": "a" * 5_000,
        "the operators'": shop.process.token,
    }
    body = order_body(Line(name, 1, PRICE))
    ours = {"Authorization": f"Bearer {_signed(claims_of, key)}"}
    assert (await shop.http.get(f"{shop.process.url}/api/me", headers=ours)).status_code == 200, "the forger is able"
    for what, bad in forged.items():
        headers = {"Authorization": f"Bearer {bad}", "Idempotency-Key": "k"}
        for path in ("/api/orders", "/api/quotes"):
            answer = await shop.http.post(f"{shop.process.url}{path}", json=body, headers=headers)
            assert problem(answer) == (401, "unauthorized"), what
    for scheme in ("Basic ", "", "Bearer", "Bearer: "):
        answer = await shop.http.get(f"{shop.process.url}/api/me", headers={"Authorization": scheme + token})
        assert problem(answer) == (401, "unauthorized"), scheme
    assert problem(await shop.http.get(f"{shop.process.url}/api/orders")) == (401, "unauthorized")
    assert await shop.stock(name) == STOCK


async def test_users_are_no_operators(shop: ShopClient, name: str) -> None:
    """A user's token opens nothing of the operators', a wrong one nothing at all."""
    buyer = await _buyer(shop, name)
    order_id: str = (await buyer.placed(Line(name, 1, PRICE)))["order_id"]
    for method, path in (
        ("GET", "/api/ops/audit"),
        ("GET", "/api/ops/dead-letters"),
        ("GET", f"/api/ops/orders/{order_id}/timeline"),
        ("POST", f"/api/ops/orders/{order_id}/ship"),
        ("POST", "/api/ops/payments/1/refund"),
        ("POST", "/api/ops/sessions"),
        ("POST", "/api/ops/load"),
    ):
        assert problem(await buyer.send(method, path)) == (403, "not_operator"), path
        wrong = {"Authorization": f"Bearer {shop.process.token[:-1]}x"}
        answer = await shop.http.request(method, shop.process.url + path, headers=wrong)
        assert problem(answer) == (401, "unauthorized"), path


async def test_bad_ids_and_pages(shop: ShopClient, name: str) -> None:
    """Ids that cannot be one are not found; pages that cannot be one are malformed."""
    buyer = await _buyer(shop, name)
    for id in ("0", "-1", "1e3", "9" * 19, "9" * 40, "%00", "a", "1%2F2"):
        for tail in ("", "/events"):
            assert problem(await buyer.send("GET", f"/api/orders/{id}{tail}"))[0] == 404, id
        assert problem(await buyer.change(id, "cancel"))[0] == 404, id
    for query in ("limit=0", "limit=1001", "limit=x", "limit=-1", f"limit={HUGE}", "after=x", f"after={INT64}"):
        assert problem(await buyer.send("GET", f"/api/orders?{query}")) == (422, "malformed"), query
    assert problem(await buyer.send("DELETE", "/api/orders"))[0] == 405
    assert problem(await buyer.send("GET", "/api/nothing")) == (404, "not_found")


async def test_bad_files(shop: ShopClient, name: str) -> None:
    """A file with one bad row is refused whole, and says where."""
    await _buyer(shop, name)
    fresh = product(f"{name}-fresh")
    bad: list[Json] = [
        {"goods": [fresh, product(f"{name}-bad", 0)]},
        {"goods": [fresh, product(f"{name}-bad", stock=-1)]},
        {"goods": [fresh, product(f"{name}-bad", stock=INT64)]},
        {"goods": [fresh, product(name, PRICE + 1, STOCK)]},
        {"goods": [fresh, fresh]},
        {"goods": [fresh], "users": [{"user": f"{name}-x", "balance": -1}]},
        {"goods": [fresh], "users": [{"user": "a b", "balance": 1}]},
        {"goods": [fresh], "coupons": [{"coupon_id": "c", "user": name, "value": 0, "minimum": 0}]},
        {"goods": [fresh], "more": []},
    ]
    for document in bad:
        assert problem(await shop.ops("POST", "/api/ops/load", json=document)) == (422, "load_refused"), document
    assert problem(await shop.ops("GET", f"/api/goods/{name}-fresh")) == (404, "not_found")


async def test_sign_in(shop: ShopClient, name: str) -> None:
    """The right password signs in, a wrong one and an unknown user are told the same, and guessing is slowed down."""
    await shop.load(users=[{"user": name, "balance": 0, "password": "right"}])
    url = f"{shop.process.url}/api/session"
    assert (await shop.http.post(url, json={"user": name, "password": "right"})).status_code == 200
    wrong = await shop.http.post(url, json={"user": name, "password": "wrong"})
    unknown = await shop.http.post(url, json={"user": f"{name}-none", "password": "wrong"})
    assert problem(wrong) == problem(unknown) == (401, "bad_credentials")
    assert wrong.json() == unknown.json()
    guesses = [await shop.http.post(url, json={"user": name, "password": f"p{guess}"}) for guess in range(12)]
    assert problem(guesses[-1]) == (429, "too_many_attempts")
    assert int(guesses[-1].headers["retry-after"]) > 0


async def test_a_client_that_goes_away(shop: ShopClient, name: str) -> None:
    """An order whose buyer hangs up is decided all the same, and a repeat tells how."""
    buyer = await _buyer(shop, name)
    body = order_body(Line(name, 1, PRICE))
    for number in range(5):
        placing = asyncio.create_task(buyer.place(body, f"key-{number}"))
        await asyncio.sleep(0.002 * number)
        placing.cancel()
    answers = [await buyer.place(body, f"key-{number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 5
    await eventually(lambda: shop.stock(name), STOCK - 5)


def _part(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _signed(claims: Json, key: bytes) -> str:
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
