"""Stripe's calls and notifications: what is sent, what is believed, and how all else is refused."""

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
import stripe as sdk
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import (
    MAX_NOTIFICATION,
    BillLine,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    OpenPayment,
    RefundPayment,
    Rejected,
    Trade,
)
from makegood.shop.payments.gateways.stripe import PAGES, Stripe, StripeSettings

from .peer import Asked, Peer, Reply, peer
from .platform import NOW

NUMBER, SECRET, KEY = "1234567890123456789", "whsec_one", "sk_test_1"
MINUTES = 60_000
PAYMENT = OpenPayment(NUMBER, 8880, "茶叶", NOW + 15 * MINUTES, "")
REFUND = RefundPayment(NUMBER, "77", 880, "broken", 8880, "pi_1")
SESSION: dict[str, Any] = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "status": "open",
    "payment_status": "unpaid",
    "amount_total": 8880,
    "currency": "cny",
    "client_reference_id": NUMBER,
    "metadata": {"payment_id": NUMBER},
    "payment_intent": None,
    "url": "https://checkout.stripe.com/c/pay/cs_test_1",
}
PAID_SESSION = {**SESSION, "status": "complete", "payment_status": "paid", "payment_intent": "pi_1", "url": None}
NOT_YET = {**PAID_SESSION, "payment_status": "unpaid"}
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 8880,
    "amount_refunded": 0,
    "created": 1_767_225_601,
    "currency": "cny",
    "payment_intent": "pi_1",
    "metadata": {"payment_id": NUMBER},
}
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount_received": 8880,
    "currency": "cny",
    "metadata": {"payment_id": NUMBER},
    "latest_charge": CHARGE,
}
MADE: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 880,
    "currency": "cny",
    "status": "succeeded",
    "payment_intent": "pi_1",
    "metadata": {"payment_id": NUMBER, "refund_id": "77"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


def own(gateway: str = "https://api.stripe.test", secret: str = SECRET) -> StripeSettings:
    """A merchant's settings."""
    return StripeSettings(api_key=KEY, webhook_secret=secret, gateway=gateway, account="acct_1")


def says(content: object, status: int = 200) -> Reply:
    """An answer."""
    return Reply(status, json.dumps(content).encode())


def fails(status: int, code: str = "", kind: str = "invalid_request_error") -> Reply:
    """An error."""
    return says({"error": {"type": kind, "code": code, "message": "No."}}, status)


def by_target(**replies: Reply) -> Callable[[Asked], Reply]:
    """Answers by the method and the first word behind /v1/."""
    return lambda asked: replies[f"{asked.method}_{urlsplit(asked.target).path.split('/')[2]}"]


@pytest.fixture
def platform() -> Generator[Peer]:
    """A server that refuses all until a test says otherwise."""
    with peer(lambda _: fails(404, "resource_missing")) as known:
        yield known


@asynccontextmanager
async def gateway(url: str) -> AsyncGenerator[Stripe]:
    """The adapter on the real client."""
    async with platform_client(4) as http:
        yield Stripe(own(url), http, lambda: NOW, "https://shop.test/")


async def test_open(platform: Peer) -> None:
    """A session for exactly this payment, which a repeat asks for with the same values and the same key."""
    platform.answering = lambda _: says(SESSION)
    async with gateway(platform.url) as stripe:
        opened = await stripe.open(PAYMENT)
        assert (opened.pay_url, opened.trade_no) == (SESSION["url"], "cs_test_1")
        await stripe.open(PAYMENT)
    first, again = platform.asked
    form = dict(parse_qsl(first.body.decode()))
    assert form["client_reference_id"] == form["metadata[payment_id]"] == NUMBER
    assert form["payment_intent_data[metadata][payment_id]"] == NUMBER
    assert form["line_items[0][price_data][unit_amount]"] == "8880"
    assert form["line_items[0][price_data][currency]"] == "cny"
    assert int(form["expires_at"]) * 1000 >= NOW + 30 * MINUTES
    assert NUMBER in first.headers["idempotency-key"]
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert (first.body, first.headers["idempotency-key"]) == (again.body, again.headers["idempotency-key"])


async def test_open_for_days(platform: Peer) -> None:
    """A payment that may be made for longer than a session lasts is opened for as long as one does."""
    platform.answering = lambda _: says(SESSION)
    async with gateway(platform.url) as stripe:
        await stripe.open(OpenPayment(NUMBER, 8880, "tea", NOW + 3 * 24 * 60 * MINUTES, ""))
    assert b"expires_at" not in platform.asked[0].body


@pytest.mark.parametrize(
    ("session", "intent", "trade"),
    [
        (SESSION, INTENT, Trade("unpaid")),
        ({**SESSION, "status": "expired"}, INTENT, Trade("closed")),
        ({**PAID_SESSION, "payment_status": "unpaid"}, INTENT, Trade("unpaid")),
        (PAID_SESSION, INTENT, Trade("paid", "pi_1", 8880, 1_767_225_601_000)),
        (
            PAID_SESSION,
            {**INTENT, "latest_charge": {**CHARGE, "amount_refunded": 880}},
            Trade("paid", "pi_1", 8880, 1_767_225_601_000),
        ),
        (
            PAID_SESSION,
            {**INTENT, "latest_charge": {**CHARGE, "amount_refunded": 8880}},
            Trade("closed", "pi_1", 8880, 1_767_225_601_000),
        ),
        (PAID_SESSION, {**INTENT, "currency": "usd"}, Trade("paid", "pi_1", 0, 1_767_225_601_000)),
    ],
)
async def test_query(platform: Peer, session: object, intent: object, trade: Trade) -> None:
    """Each state of a session as the service knows it; an amount in another currency is none of ours."""
    platform.answering = by_target(GET_checkout=says(session), GET_payment_intents=says(intent))
    async with gateway(platform.url) as stripe:
        assert await stripe.query(NUMBER, "cs_test_1") == trade
        assert await stripe.query(NUMBER) == Trade("unknown_trade")


@pytest.mark.parametrize(
    "reply",
    [
        says({**SESSION, "client_reference_id": "2"}),
        says([]),
        Reply(200, b"<html>"),
        Reply(200, b"\xff"),
        Reply(200, b'{"a":' * 5000),
        Reply(500, b""),
        Reply(302, b"", {"location": "https://elsewhere.test/"}),
        Reply(404, b"<html>"),
        Reply(cut=True),
        fails(500, "", "api_error"),
        fails(429, "rate_limit"),
        fails(409, "idempotency_key_in_use"),
    ],
)
async def test_answer_that_decides_nothing(platform: Peer, reply: Reply) -> None:
    """What is no answer of Stripe's, or says to come again, leaves the outcome unknown."""
    platform.answering = lambda _: reply
    async with gateway(platform.url) as stripe:
        with pytest.raises(GatewayUnavailable):
            await stripe.query(NUMBER, "cs_test_1")


async def test_key_that_is_refused(platform: Peer) -> None:
    """Advice names the setting, and no text quotes the key."""
    platform.answering = lambda _: fails(401)
    async with gateway(platform.url) as stripe:
        with pytest.raises(GatewayRefused, match="check api-key") as caught:
            await stripe.query(NUMBER, "cs_test_1")
        with pytest.raises(GatewayRefused, match="check api-key"):
            await stripe.refund(REFUND)
    assert KEY not in str(caught.value) + repr(own()) + repr(stripe)
    assert SECRET not in repr(own())


@pytest.mark.parametrize(
    ("session", "closing"),
    [(PAID_SESSION, "paid"), ({**SESSION, "status": "expired"}, "closed"), (SESSION, "unknown")],
)
async def test_close_that_is_refused(platform: Peer, session: object, closing: str) -> None:
    """Why a session cannot be expired is looked up."""
    platform.answering = by_target(
        POST_checkout=fails(400), GET_checkout=says(session), GET_payment_intents=says(INTENT)
    )
    async with gateway(platform.url) as stripe:
        assert await stripe.close(NUMBER, "cs_test_1") == closing
        assert await stripe.close(NUMBER) == "closed"


@pytest.mark.parametrize(
    ("known", "made", "state", "posts"),
    [
        ([], says(MADE), "succeeded", 1),
        ([MADE], fails(400), "succeeded", 0),
        ([{**MADE, "metadata": {"refund_id": "78"}}], says(MADE), "succeeded", 1),
        ([{**MADE, "metadata": None}], says(MADE), "succeeded", 1),
        ([], says({**MADE, "status": "pending"}), "processing", 1),
        ([{**MADE, "status": "failed", "failure_reason": "lost_or_stolen_card"}], fails(400), "failed", 0),
        ([{**MADE, "amount": 1}], fails(400), "failed", 0),
        ([], fails(400, "charge_already_refunded"), "failed", 1),
    ],
)
async def test_refund(platform: Peer, known: list[object], made: Reply, state: str, posts: int) -> None:
    """A refund that is there is not made again, however long ago it was made."""
    platform.answering = by_target(GET_refunds=says({"data": known}), POST_refunds=made)
    async with gateway(platform.url) as stripe:
        assert (await stripe.refund(REFUND)).status == state
    sent = [asked for asked in platform.asked if asked.method == "POST"]
    assert len(sent) == posts
    assert all(asked.headers["idempotency-key"] == "refund-77" for asked in sent)
    assert parse_qs(urlsplit(platform.asked[0].target).query)["payment_intent"] == ["pi_1"]


async def test_refund_without_money(platform: Peer) -> None:
    """While the merchant's balance holds too little the refund is not failed."""
    platform.answering = by_target(GET_refunds=says({"data": []}), POST_refunds=fails(400, "balance_insufficient"))
    async with gateway(platform.url) as stripe:
        with pytest.raises(GatewayUnavailable, match="top up"):
            await stripe.refund(REFUND)
        with pytest.raises(GatewayRefused, match="dashboard"):
            await stripe.refund(RefundPayment(NUMBER, "77", 880, "", 8880))


async def test_bill_in_pages(platform: Peer) -> None:
    """Every page is read, what is neither payment nor refund is passed over, and there is an end."""
    entries = [
        {"id": "txn_1", "type": "charge", "created": 1_767_225_601, "source": CHARGE},
        {"id": "txn_2", "type": "payout", "created": 1_767_225_601, "source": "po_1"},
        {"id": "txn_3", "type": "refund", "created": 1_767_225_602, "source": MADE},
        {"id": "txn_4", "type": "payment", "created": 1_767_225_603, "source": {**CHARGE, "metadata": {}}},
    ]
    platform.answering = lambda asked: says(
        {"data": entries[2:]} if "starting_after=txn_2" in asked.target else {"data": entries[:2], "has_more": True}
    )
    async with gateway(platform.url) as stripe:
        assert await stripe.bill(date(2026, 1, 1)) == [
            BillLine("payment", NUMBER, "", "pi_1", 8880, 1_767_225_601_000),
            BillLine("refund", NUMBER, "77", "pi_1", 880, 1_767_225_602_000),
            BillLine("payment", "", "", "pi_1", 8880, 1_767_225_603_000),
        ]
        begin = int(parse_qs(urlsplit(platform.asked[0].target).query)["created[gte]"][0])
        assert begin == 1_767_196_800  # midnight in China
        platform.answering = lambda _: says({"data": entries[:1], "has_more": True})
        platform.asked.clear()
        with pytest.raises(GatewayRefused, match="dashboard"):
            await stripe.bill(date(2026, 1, 1))
        assert len(platform.asked) == PAGES


def event(kind: str, content: object, **changed: object) -> bytes:
    """A notification's body."""
    whole = {"id": "evt_1", "object": "event", "type": kind, "created": 1_767_225_602, "data": {"object": content}}
    return json.dumps(whole | changed).encode()


def signature(body: bytes, secret: str = SECRET, at: int = NOW // 1000) -> str:
    """`t=…,v1=…` as Stripe documents it."""
    proof = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={proof}"


def read(body: bytes, header: str | None = None, secret: str = SECRET) -> Notice:
    """What the adapter makes of it."""
    adapter = Stripe(own(secret=secret), httpx.AsyncClient(), lambda: NOW, "https://shop.test/")
    return adapter.read_notification(body, {"stripe-signature": signature(body) if header is None else header})


def refused(body: bytes, header: str | None = None) -> str:
    """Why it is refused."""
    with pytest.raises(Rejected) as caught:
        read(body, header)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("checkout.session.completed", PAID_SESSION, ("captured", NUMBER, "pi_1", 8880, "")),
        ("checkout.session.completed", NOT_YET, ("other", NUMBER, "pi_1", 8880, "")),
        ("checkout.session.async_payment_succeeded", PAID_SESSION, ("captured", NUMBER, "pi_1", 8880, "")),
        ("checkout.session.expired", SESSION, ("closed", NUMBER, "cs_test_1", 8880, "")),
        ("checkout.session.completed", {**PAID_SESSION, "currency": "usd"}, ("captured", NUMBER, "pi_1", 0, "")),
        ("checkout.session.completed", {**PAID_SESSION, "metadata": None}, ("other", "", "pi_1", 8880, "")),
        ("payment_intent.succeeded", {**INTENT, "latest_charge": "ch_1"}, ("captured", NUMBER, "pi_1", 8880, "")),
        ("payment_intent.succeeded", {**INTENT, "metadata": {}}, ("other", "", "pi_1", 8880, "")),
        ("charge.refunded", {**CHARGE, "amount_refunded": 900}, ("refund", NUMBER, "pi_1", 900, "")),
        ("refund.updated", MADE, ("refund", NUMBER, "pi_1", 880, "77")),
        ("refund.failed", {**MADE, "status": "failed"}, ("refund", NUMBER, "pi_1", 0, "77")),
        ("refund.updated", {**MADE, "metadata": {}}, ("other", "", "pi_1", 880, "")),
        ("customer.created", {"id": "cus_1"}, ("other", "", "", 0, "")),
    ],
)  # fmt: skip
def test_notice(kind: str, content: object, expected: tuple[object, ...]) -> None:
    """Each event as the service knows it; one about somebody else's payment changes nothing."""
    told = read(event(kind, content))
    assert (told.kind, told.payment_id, told.trade_no, told.amount, told.refund_id) == expected
    assert (told.notify_id, told.occurred_at) == ("evt_1", 1_767_225_602_000)


def test_signatures() -> None:
    """One good signature among several is enough, by any of our secrets; its time counts."""
    body = event("payment_intent.succeeded", INTENT)
    good, now = signature(body), NOW // 1000
    assert read(body, f"{good},v1={'0' * 64},v0=x").kind == "captured"
    assert read(body, f"t={now},v1={'0' * 64},{good.partition(',')[2]}").kind == "captured"
    assert read(body, signature(body, "whsec_two"), "whsec_one whsec_two").kind == "captured"
    assert refused(body, signature(body, "whsec_two")) == "bad_signature"
    for header in ("", "t=1", f"t={now}", good.replace("v1", "v0"), f"t={now},{good}", good.replace("t=", "t=-")):
        assert refused(body, header) == "bad_signature"
    assert refused(body + b" ", good) == "bad_signature"
    assert refused(body, signature(body, at=now - 301)) == "stale"
    assert refused(body, signature(body, at=now + 301)) == "stale"
    assert read(body, signature(body, at=now - 300)).kind == "captured"
    assert refused(b" " * (MAX_NOTIFICATION + 1)) == "too_large"


def test_as_the_sdk_sees_it() -> None:
    """The SDK proves what we prove, and refuses what we refuse."""
    body = event("payment_intent.succeeded", INTENT)
    verify = sdk.WebhookSignature.verify_header
    assert verify(body.decode(), signature(body), SECRET)
    for changed, header in ((body + b" ", signature(body)), (body, signature(body, "whsec_two"))):
        with pytest.raises(sdk.SignatureVerificationError):
            verify(changed.decode(), header, SECRET)
        assert refused(changed, header) == "bad_signature"


@given(st.binary(max_size=300), st.text(max_size=200))
def test_anything_from_a_stranger(body: bytes, header: str) -> None:
    """Whatever bytes and header come, the answer is a refusal."""
    refused(body, header)


@settings(max_examples=80)
@given(
    st.sampled_from(["checkout.session.completed", "payment_intent.succeeded", "charge.refunded", "refund.updated"]),
    JSON | st.dictionaries(st.sampled_from(sorted({*SESSION, *CHARGE, *INTENT, *MADE})), JSON),
    st.sampled_from([{}, PAID_SESSION, INTENT, CHARGE, MADE]),
)
def test_any_signed_json(kind: str, content: object, base: dict[str, Any]) -> None:
    """Even signed, JSON of any shape is a notice or a refusal, and nothing else."""
    whole = base | content if isinstance(content, dict) else content
    for body in (event(kind, whole), json.dumps(content).encode()):
        try:
            told = read(body)
        except Rejected:
            continue
        assert told.amount >= 0
        assert len(told.payment_id) <= 64
