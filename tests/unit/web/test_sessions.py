"""Who is who: tokens, operators, and the limits of failed sign-ins."""

import base64
import json
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makegood.engine.errors import Overloaded
from makegood.web.app import WebApp, build_app
from makegood.web.attempts import MAX_TRACKED, SignInAttempts
from makegood.web.problems import Problem
from makegood.web.settings import InvalidWebSettings, WebSettings
from makegood.web.tokens import MAX_VERIFIED, Tokens
from tests.support.world import ManualWorld
from tests.unit.web.peer import PeerShop
from tests.unit.web.people import KEY, OPERATORS_TOKEN, Buyer, order_body

USERS_ROUTES = [
    ("GET", "/api/me"),
    ("GET", "/api/goods"),
    ("GET", "/api/goods/tea"),
    ("POST", "/api/quotes"),
    ("POST", "/api/orders"),
    ("GET", "/api/orders"),
    ("GET", "/api/orders/1"),
    ("POST", "/api/orders/1/cancel"),
    ("POST", "/api/orders/1/refund"),
    ("POST", "/api/orders/1/receive"),
    ("GET", "/api/orders/1/events"),
    ("POST", "/api/payments"),
]
OPERATORS_ROUTES = [
    ("GET", "/api/ops/orders/1/timeline"),
    ("POST", "/api/ops/orders/1/ship"),
    ("POST", "/api/ops/payments/1/refund"),
    ("POST", "/api/ops/sessions"),
    ("POST", "/api/ops/load"),
    ("GET", "/api/ops/dead-letters"),
    ("POST", "/api/ops/dead-letters/x/replay"),
    ("POST", "/api/ops/dead-letters/replay"),
    ("POST", "/api/ops/dead-letters/outcomes"),
    ("GET", "/api/ops/figures"),
    ("GET", "/api/ops/audit"),
    ("GET", "/api/ops/services"),
    ("GET", "/api/ops/breaks"),
    ("GET", "/api/ops/refused-notices"),
]


def segment(value: Any) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_sign_in(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """The right password gives a token that is valid for twelve hours."""
    answer = await http.post("/api/session", json={"user": "alice", "password": "demo"})
    assert answer.json()["expires_at"] == "2023-11-15T10:13:20.000Z"
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    shop.world.advance(12 * 3_600_000 - 1)
    assert (await http.get("/api/me", headers=headers)).status_code == 200
    shop.world.advance(1)
    expired = await http.get("/api/me", headers=headers)
    assert (expired.status_code, expired.json()["code"]) == (401, "unauthorized")


async def test_bad_credentials(http: httpx.AsyncClient) -> None:
    """A wrong password and an unknown user get the same answer."""
    wrong = await http.post("/api/session", json={"user": "alice", "password": "wrong"})
    unknown = await http.post("/api/session", json={"user": "nobody", "password": "wrong"})
    assert wrong.status_code == 401
    assert wrong.json()["code"] == "bad_credentials"
    assert wrong.content == unknown.content


async def test_no_token(http: httpx.AsyncClient) -> None:
    """Without a token, or with a bad one, every route is 401 and says which scheme it wants."""
    for method, path in USERS_ROUTES + OPERATORS_ROUTES:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YWxpY2U6ZGVtbw=="}):
            answer = await http.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_not_an_operator(alice: Buyer) -> None:
    """A user's token is 403 where operators belong."""
    for method, path in OPERATORS_ROUTES:
        answer = await alice.http.request(method, path, headers=alice.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_operator"), path


async def test_operator_is_no_user(operator: httpx.AsyncClient) -> None:
    """The operators' token is nobody's: 401 where a user belongs. Goods are for either."""
    for method, path in USERS_ROUTES:
        answer = await operator.request(method, path)
        assert answer.status_code == (200 if "/goods" in path else 401), path


async def test_forged_tokens(http: httpx.AsyncClient, shop: PeerShop, settings: WebSettings) -> None:
    """A token with another key, algorithm, none, or without what it must say is 401 on either kind of route."""
    now = shop.now() // 1000
    good = {"sub": "alice", "iat": now, "exp": now + 60}
    body, signature = segment(good), jwt.encode(good, KEY, "HS256").rpartition(".")[2]
    forged = [
        jwt.encode(good, b"x" * 32, "HS256"),
        jwt.encode(good, KEY * 2, "HS512"),
        jwt.encode(good, "", "none"),
        f"{segment({'alg': 'none'})}.{body}.",
        f"{segment({'alg': 'none'})}.{body}.{signature}",
        f"{segment({'alg': 'HS256'})}.{segment(good | {'sub': 'bob'})}.{signature}",
        jwt.encode({"sub": "alice", "iat": now}, KEY, "HS256"),
        jwt.encode(good | {"exp": "never"}, KEY, "HS256"),
        jwt.encode(good | {"exp": now}, KEY, "HS256"),
        jwt.encode({"iat": now, "exp": now + 60}, KEY, "HS256"),
        jwt.encode(good | {"sub": ""}, KEY, "HS256"),
        f"{segment({'alg': 'HS256'})}.{segment([1])}.{signature}",
        "",
        ".",
        "..",
        "a" * 2_000,
    ]
    for token in forged:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
        assert (await http.get("/api/me", headers=headers)).status_code == 401, token
        assert (await http.post("/api/orders", json=order_body(), headers=headers)).status_code == 401, token
    headers = {"Authorization": f"bearer {jwt.encode(good, settings.signing_key, 'HS256')}"}
    assert (await http.get("/api/me", headers=headers)).status_code == 200


@given(st.binary(max_size=200))
def test_arbitrary_tokens(authorization: bytes) -> None:
    """No bytes in the header do anything but be refused."""
    tokens = Tokens(KEY, 60, ManualWorld().now)
    for header in (authorization, b"Bearer " + authorization):
        with pytest.raises(Problem) as refused:
            tokens.user_of(header)
        assert refused.value.status == 401


def test_verified_tokens_are_bounded() -> None:
    """However many tokens come, memory holds a bounded number, and forgotten ones are verified again."""
    tokens = Tokens(KEY, 60, ManualWorld().now)
    headers = [f"Bearer {tokens.issue(f'user{number}').token}".encode() for number in range(MAX_VERIFIED + 10)]
    for number, header in enumerate(headers):
        assert tokens.user_of(header) == f"user{number}"
    assert len(tokens) == MAX_VERIFIED
    assert tokens.user_of(headers[0]) == "user0"


async def test_me(alice: Buyer, bob: Buyer) -> None:
    """Balance, points and coupons of the user alone."""
    mine = (await alice.get("/api/me")).json()
    assert mine == {
        "user": "alice",
        "balance": 5_000,
        "points": 0,
        "coupons": [{"coupon_id": "c1", "value": 300, "minimum": 0, "valid_until": "2023-11-15T22:13:20.000Z"}],
    }
    await bob.pay(await bob.order())
    assert (await bob.get("/api/me")).json() == {"user": "bob", "balance": 0, "points": 16, "coupons": []}


async def test_me_of_nobody(alice: Buyer, shop: PeerShop) -> None:
    """A token whose user is gone is 401."""
    del shop.balances["alice"]
    assert (await alice.get("/api/me")).status_code == 401


async def test_operators_sessions(operator: httpx.AsyncClient) -> None:
    """Operators get a user's token without a password; of a user that exists."""
    answer = await operator.post("/api/ops/sessions", json={"user": "bob"})
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert (await operator.get("/api/me", headers=headers)).json()["user"] == "bob"
    assert (await operator.post("/api/ops/sessions", json={"user": "nobody"})).status_code == 404


async def test_failures_of_a_user(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """After three failures even the right password must wait, until the time of Retry-After is over."""
    wrong, right = {"user": "alice", "password": "x"}, {"user": "alice", "password": "demo"}
    for _ in range(3):
        assert (await http.post("/api/session", json=wrong)).status_code == 401
    refused = await http.post("/api/session", json=right)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert refused.headers["retry-after"] == "300"
    other = await http.post("/api/session", json={"user": "bob", "password": "demo"})
    assert other.status_code == 200
    shop.world.advance(300_000)
    assert (await http.post("/api/session", json=right)).status_code == 200


async def test_failures_of_a_peer(http: httpx.AsyncClient) -> None:
    """Trying many users from one address is limited, too."""
    statuses = [
        (await http.post("/api/session", json={"user": f"u{number}", "password": "x"})).status_code
        for number in range(7)
    ]
    assert statuses == [401] * 6 + [429]


async def test_success_is_no_failure(http: httpx.AsyncClient) -> None:
    """Successful sign-ins are not limited, and forgive the user's failures."""
    for _ in range(10):
        answer = await http.post("/api/session", json={"user": "alice", "password": "demo"})
        assert answer.status_code == 200
    for password in ("x", "x", "demo", "x", "x", "demo"):
        answer = await http.post("/api/session", json={"user": "alice", "password": password})
        assert answer.status_code == (200 if password == "demo" else 401)


async def test_unanswered_is_no_failure(http: httpx.AsyncClient, shop: PeerShop) -> None:
    """An attempt that nobody could check does not count."""
    shop.failing["accounts.SignIn"] = Overloaded("busy", 3)
    for _ in range(10):
        answer = await http.post("/api/session", json={"user": "alice", "password": "demo"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    shop.failing.clear()
    assert (await http.post("/api/session", json={"user": "alice", "password": "demo"})).status_code == 200


def test_attempts_are_bounded() -> None:
    """However many users are tried, memory holds a bounded number."""
    attempts = SignInAttempts(ManualWorld().now, 3, 10**9, 300)
    for number in range(MAX_TRACKED + 100):
        attempts.begin(f"user{number}", "peer")
    assert len(attempts) == MAX_TRACKED


@pytest.mark.parametrize(
    "bad",
    [
        {"signing_key": b"short"},
        {"operators_token": "short"},
        {"operators_token": "with a space in it"},
        {"operators_token": "nicht-ASCII-ßßßßßßßßßß"},
        {"session_seconds": 0},
        {"failures_per_user": 0},
        {"streams": -1},
    ],
)
def test_bad_settings(bad: dict[str, Any]) -> None:
    """Settings that would not be safe are refused."""
    good: dict[str, Any] = {"signing_key": KEY, "operators_token": OPERATORS_TOKEN}
    with pytest.raises(InvalidWebSettings):
        WebSettings(**(good | bad))


async def test_restart_keeps_sessions(alice: Buyer, shop: PeerShop, settings: WebSettings) -> None:
    """A token is good for another process of the same shop, and for none with another key."""
    for key, status in ((KEY, 200), (b"o" * 32, 401)):
        other: WebApp = build_app(shop, WebSettings(signing_key=key, operators_token=settings.operators_token))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://shop") as http:
            assert (await http.get("/api/me", headers=alice.headers)).status_code == status
