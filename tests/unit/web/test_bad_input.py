"""Whatever is wrong with a request, the answer is a problem with a stable code, and nothing happens."""

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from makegood.web.app import WebApp
from makegood.web.asgi import read_body
from makegood.web.problems import KINDS, Problem
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import OPERATORS_TOKEN, Buyer, order_body
from tests.unit.web.raw import Message, RawAnswer, ask, scope_of

JSON = (b"content-type", b"application/json")
LINE = {"sku": "tea", "quantity": 1, "unit_price": 1_000}


def assert_problem(answer: RawAnswer | httpx.Response, status: int, code: str) -> dict[str, Any]:
    """It is a problem document that says so."""
    body = answer.body if isinstance(answer, RawAnswer) else answer.content
    problem = json.loads(body)
    found = answer.status if isinstance(answer, RawAnswer) else answer.status_code
    assert (found, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) == (status, f"/docs#{code}")
    assert problem["title"]
    assert problem["detail"]
    return problem


BAD_ORDERS: dict[str, tuple[Any, str, str]] = {
    "no lines": (order_body(lines=[]), "malformed", "$.lines"),
    "501 lines": (order_body(lines=[LINE | {"sku": f"s{n}"} for n in range(501)]), "malformed", "$.lines"),
    "a SKU twice": (order_body(lines=[LINE, LINE]), "duplicate_sku", ""),
    "an unknown field": (order_body() | {"discount": 5}, "malformed", "discount"),
    "an unknown field in a line": (order_body(lines=[LINE | {"price": 1}]), "malformed", "price"),
    "a missing field": ({"lines": [LINE]}, "malformed", "balance"),
    "an amount as text": (order_body(amount_due="1600"), "malformed", "$.amount_due"),
    "an amount with a fraction": (order_body(amount_due=1600.5), "malformed", "$.amount_due"),
    "an amount below zero": (order_body(balance=-1), "malformed", "$.balance"),
    "an amount too large": (order_body(amount_due=2**63), "malformed", "$.amount_due"),
    "an amount far too large": (order_body(amount_due=10**400), "malformed", "$"),
    "an amount that is true": (order_body(amount_due=True), "malformed", "$.amount_due"),
    "no quantity": (order_body(lines=[LINE | {"quantity": 0}]), "malformed", "$.lines[0].quantity"),
    "too large a quantity": (order_body(lines=[LINE | {"quantity": 1_000_001}]), "malformed", "$.lines[0].quantity"),
    "a price of nothing": (order_body(lines=[LINE | {"unit_price": 0}]), "malformed", "$.lines[0].unit_price"),
    "an empty SKU": (order_body(lines=[LINE | {"sku": ""}]), "malformed", "$.lines[0].sku"),
    "a SKU with a space": (order_body(lines=[LINE | {"sku": "a b"}]), "malformed", "$.lines[0].sku"),
    "too long a SKU": (order_body(lines=[LINE | {"sku": "s" * 65}]), "malformed", "$.lines[0].sku"),
    "an empty coupon": (order_body(coupon_id=""), "malformed", "$.coupon_id"),
    "a list": ([], "malformed", "$"),
    "a text": ("order", "malformed", "$"),
}


async def test_bad_order(alice: Buyer, shop: PeerShop) -> None:
    """A body that is no order is 422 with the place of the error, and no order comes of it."""
    for name, (body, code, place) in BAD_ORDERS.items():
        problem = assert_problem(await alice.place(body), 422, code)
        assert place in " ".join([problem["detail"], *problem.get("problems", [])]), name
    assert shop.book.orders == {}


BAD_JSON = [
    b"",
    b"{",
    b"nonsense",
    b"{'lines': []}",
    b'{"lines": [}',
    b"\xff\xfe",
    b'"\xff"',
    b'{"lines":[{"sku":"\xff","quantity":1,"unit_price":1}]}',
    b'{"lines":[{"sku":"\\ud800","quantity":1,"unit_price":1}]}',
    b"[" * 100_000,
    b'{"lines":' + b"[" * 100_000,
    b"\xef\xbb\xbf{}",
    b"NaN",
    b"1e999",
]


@pytest.mark.parametrize("path", ["/api/orders", "/api/quotes", "/api/payments", "/api/session"])
async def test_malformed_json(app: WebApp, alice: Buyer, path: str) -> None:
    """What is no JSON is 422, on the hot route as behind the framework."""
    headers = [JSON, (b"authorization", f"Bearer {alice.token}".encode()), (b"idempotency-key", b"k")]
    for body in BAD_JSON:
        assert_problem(await ask(app, "POST", path, headers, [body]), 422, "malformed")


@pytest.mark.parametrize("path", ["/api/orders", "/api/quotes"])
async def test_media_type(app: WebApp, alice: Buyer, path: str) -> None:
    """Another Content-Type than JSON is 415; with parameters or without the header at all it is read."""
    mine = [(b"authorization", f"Bearer {alice.token}".encode()), (b"idempotency-key", b"k")]
    body = [msgspec.json.encode(order_body() if path == "/api/orders" else {"lines": [{"sku": "tea", "quantity": 1}]})]
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b""):
        answer = await ask(app, "POST", path, [*mine, (b"content-type", kind)], body)
        assert_problem(answer, 415, "unsupported_media_type")
    for headers in ([], [(b"content-type", b"Application/JSON; charset=utf-8")]):
        assert (await ask(app, "POST", path, [*mine, *headers], body)).status in (200, 201)


SIZES = [
    ("/api/orders", 256 * 1024),
    ("/api/payments/notify/alipay", 64 * 1024),
    ("/api/quotes", 256 * 1024),
    ("/api/session", 256 * 1024),
]


@pytest.mark.parametrize(("path", "limit"), SIZES)
async def test_large_body(app: WebApp, alice: Buyer, path: str, limit: int) -> None:
    """A body above the limit is 413, by its announced length as by its chunks; one at the limit is read."""
    mine = [(b"authorization", f"Bearer {alice.token}".encode()), (b"idempotency-key", b"k"), JSON]
    for length in (limit + 1, 10**30):
        answer = await ask(app, "POST", path, [*mine, (b"content-length", b"%d" % length)])
        assert_problem(answer, 413, "body_too_large")
    chunks = [b" " * 10_000] * (limit // 10_000)
    rest = b" " * (limit % 10_000)
    assert_problem(await ask(app, "POST", path, mine, [*chunks, rest, b" "]), 413, "body_too_large")
    assert (await ask(app, "POST", path, mine, [*chunks, rest])).status in (200, 422)


@pytest.mark.parametrize(("path", "limit"), SIZES)
async def test_client_leaves(app: WebApp, alice: Buyer, path: str, limit: int) -> None:
    """A body that ends because its client left is not acted upon."""
    mine = [(b"authorization", f"Bearer {alice.token}".encode()), (b"idempotency-key", b"k"), JSON]
    answer = await ask(app, "POST", path, mine, [b"{" * (limit // 2)], disconnects=True)
    assert_problem(answer, 400, "incomplete_body")


async def test_body_in_pieces(app: WebApp, alice: Buyer) -> None:
    """A body may come in any pieces, empty ones included."""
    body = msgspec.json.encode(order_body())
    pieces = [b"", *[body[at : at + 7] for at in range(0, len(body), 7)], b""]
    headers = [JSON, (b"authorization", f"Bearer {alice.token}".encode()), (b"idempotency-key", b"k")]
    assert (await ask(app, "POST", "/api/orders", headers, pieces)).status == 201


@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        ([], 400, "idempotency_key_missing"),
        ([b""], 400, "idempotency_key_missing"),
        ([b"a", b"b"], 422, "malformed"),
        ([b"with space"], 422, "malformed"),
        ([b"k" * 129], 422, "malformed"),
        ([b"\xe9"], 422, "malformed"),
    ],
)
async def test_idempotency_key(app: WebApp, alice: Buyer, keys: list[bytes], status: int, code: str) -> None:
    """An order needs exactly one key of 1 to 128 printable ASCII characters."""
    headers = [JSON, (b"authorization", f"Bearer {alice.token}".encode())]
    headers += [(b"idempotency-key", key) for key in keys]
    answer = await ask(app, "POST", "/api/orders", headers, [msgspec.json.encode(order_body())])
    assert_problem(answer, status, code)


async def test_page_bounds(alice: Buyer) -> None:
    """A page's limit is 1 to 1,000, and `after` is bounded."""
    for path in ("/api/goods", "/api/orders"):
        for query in ("limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.5", "after=" + "9" * 1025):
            answer = await alice.get(f"{path}?{query}")
            assert answer.status_code == 422, query
            assert_problem(answer, 422, "malformed")


async def test_after_is_an_id(alice: Buyer, operator: httpx.AsyncClient) -> None:
    """`after` of a list by id is an id."""
    for after in ("x", "-1", "9" * 30, "1.5"):
        assert_problem(await alice.get(f"/api/orders?after={after}"), 422, "malformed")
        assert_problem(await operator.get(f"/api/ops/breaks?after={after}"), 422, "malformed")
    assert_problem(await operator.get("/api/ops/dead-letters?after=x"), 422, "malformed")


BAD_BODIES = [
    ("/api/quotes", {"lines": []}, "malformed"),
    ("/api/quotes", {"lines": [{"sku": "tea", "quantity": "1"}]}, "malformed"),
    ("/api/quotes", {"lines": [{"sku": "tea", "quantity": 1}] * 2}, "duplicate_sku"),
    ("/api/quotes", {"lines": [{"sku": "tea", "quantity": 1, "unit_price": 5}]}, "malformed"),
    ("/api/quotes", {"lines": [{"sku": "coffee", "quantity": 1}]}, "unknown_sku"),
    ("/api/payments", {"order_id": 17, "channel": "alipay"}, "malformed"),
    ("/api/payments", {"order_id": "x", "channel": "alipay"}, "malformed"),
    ("/api/payments", {"order_id": "17", "channel": "Ali Pay"}, "malformed"),
    ("/api/payments", {"order_id": "17", "channel": "alipay", "amount": 1}, "malformed"),
    ("/api/session", {"user": "alice"}, "malformed"),
    ("/api/session", {"user": "alice", "password": ""}, "malformed"),
    ("/api/session", {"user": "alice", "password": "p" * 129}, "malformed"),
    ("/api/session", {"user": "a b", "password": "demo"}, "malformed"),
    ("/api/session", {"user": "u" * 65, "password": "demo"}, "malformed"),
]


async def test_bad_bodies(alice: Buyer) -> None:
    """Types are strict and unknown fields refused behind the framework, too."""
    for path, body, code in BAD_BODIES:
        assert_problem(await alice.post(path, json=body), 422, code)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/orders", "GET, POST"),
        ("DELETE", "/api/orders", "GET, POST"),
        ("GET", "/api/payments/notify/alipay", "POST"),
        ("GET", "/api/session", "POST"),
        ("POST", "/healthz", "GET"),
    ],
)
async def test_methods(http: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    """Another method is 405, and Allow names what is offered."""
    answer = await http.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert set(allow.split(", ")) <= set(answer.headers["allow"].split(", "))


async def test_unknown_paths(http: httpx.AsyncClient) -> None:
    """What is not there is 404."""
    for path in ("/nothing", "/api", "/api/nothing", "/docs/framework", "/docs/x", "/static/../app.py"):
        assert_problem(await http.get(path), 404, "not_found")


async def test_no_channel(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """A callback for what cannot be a channel is 404 and asks nobody."""
    for channel in ("", "Ali", "a/b", "a" * 33, "ali pay", "阿"):
        answer = await http.post(f"/api/payments/notify/{channel}", content=b"{}")
        assert_problem(answer, 404, "not_found")
    assert shop.book.notices == []


async def test_notice_headers(http: httpx.AsyncClient) -> None:
    """A callback's headers are bounded, for they travel on."""
    answer = await http.post("/api/payments/notify/alipay", headers={"x-long": "x" * 16_384})
    assert_problem(answer, 431, "headers_too_large")


@given(
    body=st.binary(max_size=300), authorization=st.binary(max_size=80), key=st.binary(max_size=20), mine=st.booleans()
)
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_arbitrary_orders(
    app: WebApp, alice: Buyer, body: bytes, authorization: bytes, key: bytes, mine: bool
) -> None:
    """No bytes whatever in body, token or key make the order route fail, or answer with anything but a problem."""
    authorization = f"Bearer {alice.token}".encode() if mine else authorization
    headers = [(b"authorization", authorization), (b"idempotency-key", key)]
    answer = await ask(app, "POST", "/api/orders", headers, [body])
    assert 400 <= answer.status < 500
    assert json.loads(answer.body)["code"] in KINDS


@given(body=st.binary(max_size=300), path=st.text(max_size=40), value=st.binary(max_size=40))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_arbitrary_notices(app: WebApp, body: bytes, path: str, value: bytes) -> None:
    """No bytes whatever make the callback route fail."""
    headers = [(b"content-type", value), (b"wechatpay-signature", value)]
    for channel in ("alipay", path.encode("utf-8", "replace").decode()):
        answer = await ask(app, "POST", f"/api/payments/notify/{channel}", headers, [body])
        assert answer.status < 500


@given(path=st.text(max_size=30))
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_arbitrary_paths(app: WebApp, path: str) -> None:
    """No path makes the framework fail, not even an operator's."""
    headers = [(b"authorization", f"Bearer {OPERATORS_TOKEN}".encode())]
    text = path.encode("utf-8", "replace").decode()
    for prefix in ("/", "/api/goods/", "/api/ops/orders/", "/static/"):
        answer = await ask(app, "GET", prefix + text, headers)
        assert answer.status < 500


async def test_a_refused_order_is_read_to_its_end(app: WebApp) -> None:
    """Who is refused for headers has their body read: with it unread the server would close the connection."""
    body: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.request", "body": b"}", "more_body": False},
    ]
    answers: list[Message] = []

    async def receive() -> Message:
        return body.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    scope = scope_of("POST", "/api/orders", [(b"transfer-encoding", b"chunked")])
    await app(scope, receive, send)
    assert (answers[0]["status"], body) == (401, [])


async def test_slow_body() -> None:
    """A body that does not arrive in time is 408."""

    async def receive() -> Message:
        await asyncio.sleep(3600)
        return {"type": "http.request"}

    with pytest.raises(Problem) as refused:
        await read_body(receive, 10, seconds=0.02)
    assert (refused.value.status, refused.value.code) == (408, "request_timeout")
