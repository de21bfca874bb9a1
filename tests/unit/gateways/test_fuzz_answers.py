"""Platforms' answers with something wrong with them, properly signed: read soundly, or a GatewayError.

What an answer says of money and numbers is read here a second time: no spoilt one passes for what was asked for.
"""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from makegood.engine.executor import InlineExecutor
from makegood.shop.payments.gateways.alipay import Alipay
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import Gateway, GatewayError, OpenPayment, RefundPayment, RefundState, Trade
from makegood.shop.payments.gateways.stripe import Stripe
from makegood.shop.payments.gateways.wechatpay import WechatPay
from tests.support.mutated import dumped, mutations, spoilt

from . import platform, wechat
from .peer import Asked, Reply, peer
from .sound import assert_sound_lines, assert_sound_trade
from .test_bills import WECHAT_HEADER, WECHAT_SUMS, alipay_line, alipay_text, packed, wechat_line
from .test_stripe import CHARGE, INTENT, MADE, NUMBER, PAID_SESSION, SESSION
from .test_stripe import own as own_stripe

DAY = date(2025, 12, 31)
PAYMENT = OpenPayment(NUMBER, 8880, "茶叶", platform.NOW + 900_000, "https://shop.test/notify", "192.0.2.7")
REFUND = RefundPayment(NUMBER, "77", 880, "broken", 8880, "pi_1", "https://shop.test/notify")
ALIPAY_BILL = packed(alipay_text(alipay_line("交易", "88.80")))
WECHAT_BILL = "\r\n".join([WECHAT_HEADER, wechat_line("SUCCESS", "88.80"), WECHAT_SUMS, ""]).encode()

Replies = Mapping[str, tuple[int, bytes]]

Adapter = Callable[[httpx.AsyncClient], Gateway]


class Question(NamedTuple):
    """A call of the port, and what the platform answers to each request on its way, by a part of method and target.

    The answer to `spoilt` is the one with something wrong with it; `status` is that of this one.
    """

    call: str
    spoilt: str
    answers: Mapping[str, Mapping[str, Any]]
    status: int = 200

    def replies(self, body: bytes) -> Replies:
        """With this body for the spoilt one; an answer with an error in it is one."""
        known = {name: (400 if "code" in one else 200, dumped(one)) for name, one in self.answers.items()}
        return {**known, self.spoilt: (self.status, body)}


WECHAT = {
    "open": Question("open", "/native", {"/native": {"code_url": "weixin://wxpay/bizpayurl?pr=p4"}}),
    "query": Question("query", "/out-trade-no/", {"/out-trade-no/": wechat.PAID}),
    "close": Question(
        "close", "/close", {"/close": {"code": "INVALID_REQUEST", "message": "x"}, "/out-trade-no/": wechat.PAID}, 400
    ),
    "refund": Question("refund", "POST /v3/refund", {"POST /v3/refund": {**wechat.REFUNDED, "status": "SUCCESS"}}),
    "standing": Question(
        "refund",
        "GET /v3/refund",
        {
            "POST /v3/refund": {**wechat.REFUNDED, "status": "PROCESSING"},
            "GET /v3/refund": {**wechat.REFUNDED, "status": "SUCCESS"},
        },
    ),
    "refused": Question(
        "refund",
        "POST /v3/refund",
        {
            "POST /v3/refund": {"code": "NOT_ENOUGH", "message": "x"},
            "GET /v3/refund": {"code": "RESOURCE_NOT_EXISTS", "message": "x"},
        },
        403,
    ),
    "bill": Question(
        "bill",
        "/v3/bill/tradebill",
        {
            "/v3/bill/tradebill": {
                "hash_type": "SHA1",
                "hash_value": hashlib.sha1(WECHAT_BILL, usedforsecurity=False).hexdigest(),
                "download_url": "https://platform.test/file?token=1",
            }
        },
    ),
}
ENTRIES = [
    {"id": "txn_1", "type": "charge", "created": 1_767_225_601, "source": CHARGE},
    {"id": "txn_3", "type": "refund", "created": 1_767_225_602, "source": MADE},
]
FAULT = {"error": {"type": "invalid_request_error", "code": "x", "message": "No."}}
STRIPE = {
    "open": Question("open", "/sessions", {"/sessions": SESSION}),
    "session": Question("query", "/sessions/", {"/sessions/": PAID_SESSION, "/payment_intents/": INTENT}),
    "intent": Question("query", "/payment_intents/", {"/payment_intents/": INTENT, "/sessions/": PAID_SESSION}),
    "close": Question(
        "close", "/expire", {"/expire": FAULT, "/sessions/": PAID_SESSION, "/payment_intents/": INTENT}, 400
    ),
    "refunds": Question("refund", "GET /v1/refunds", {"GET /v1/refunds": {"data": [MADE], "has_more": False}}),
    "refund": Question("refund", "POST /v1/refunds", {"POST /v1/refunds": MADE, "GET /v1/refunds": {"data": []}}),
    "refused": Question(
        "refund", "POST /v1/refunds", {"POST /v1/refunds": FAULT, "GET /v1/refunds": {"data": []}}, 400
    ),
    "bill": Question("bill", "/balance", {"/balance": {"object": "list", "data": ENTRIES, "has_more": False}}),
}
DONE = {"code": "10000", "msg": "Success", "out_trade_no": NUMBER}
ALIPAY_TRADE = {
    **DONE,
    "trade_no": "2026010122001400000001",
    "trade_status": "TRADE_SUCCESS",
    "total_amount": "88.80",
    "send_pay_date": "2026-01-01 08:00:01",
}
BUSINESS = {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_STATUS_ERROR", "sub_msg": "x"}
REFUNDED = {**DONE, "out_request_no": "77", "refund_amount": "8.80", "refund_status": "REFUND_SUCCESS"}
ALIPAY = {
    "open": Question("open", "precreate", {"precreate": {**DONE, "qr_code": "https://qr.alipay.com/bax03431"}}),
    "query": Question("query", "trade.query", {"trade.query": ALIPAY_TRADE}),
    "close": Question("close", "close", {"close": BUSINESS, "trade.query": ALIPAY_TRADE}),
    "refund": Question(
        "refund", "trade.refund", {"trade.refund": {**DONE, "fund_change": "N"}, "refund.query": REFUNDED}
    ),
    "refunded": Question(
        "refund", "refund.query", {"refund.query": REFUNDED, "trade.refund": {**DONE, "fund_change": "N"}}
    ),
    "bill": Question(
        "bill", "downloadurl", {"downloadurl": {**DONE, "bill_download_url": "https://platform.test/file?a=1"}}
    ),
}


def second(text: bytes) -> Any:
    """The JSON by another reader; of fields that are not ours even what is no text, or no number, can stand there."""
    return json.loads(text.decode(errors="replace"), parse_int=lambda digits: int(digits[:20]))


async def ask(by: Gateway, call: str) -> object:
    """Calls the adapter: what it says is sound; None when it raises what the port says it raises."""
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "open": lambda: by.open(PAYMENT),
        "query": lambda: by.query(NUMBER, "cs_test_1"),
        "close": lambda: by.close(NUMBER, "cs_test_1"),
        "refund": lambda: by.refund(REFUND),
        "bill": lambda: by.bill(DAY),
    }
    try:
        found = await calls[call]()
    except GatewayError:
        return None
    match found:
        case Trade():
            assert_sound_trade(found)
        case list():
            assert_sound_lines(found)
        case _:
            pass
    return found


class End(httpx.AsyncBaseTransport):
    """The platform's end of the wire, and what it answers."""

    def __init__(self) -> None:
        self.replies: Replies = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to a request, the longest name that fits first; bills stand at an address of their own."""
        if request.url.path == "/file":
            return httpx.Response(200, content=WECHAT_BILL if "token" in str(request.url) else ALIPAY_BILL)
        method = dict(httpx.QueryParams(request.content.decode())).get("method", "")
        asked = method or f"{request.method} {request.url.path}"
        fitting = [name for name in sorted(self.replies, key=len) if name in asked]
        status, body = self.replies[fitting[-1]] if fitting else (404, b"{}")
        headers = wechat.signed(body) if "wechatpay-serial" in request.headers else {}
        return httpx.Response(status, content=alipay_envelope(method, body) if method else body, headers=headers)


def alipay_envelope(method: str, text: bytes) -> bytes:
    """A signed answer around bytes, JSON or not."""
    member = method.replace(".", "_") + "_response"
    signature = base64.b64encode(platform.PLATFORM_KEY.sign(text, PKCS1v15(), SHA256()))
    return b'{"' + member.encode() + b'":' + text + b',"sign":"' + signature + b'"}'


def wechatpay(end: httpx.AsyncClient, url: str = "https://platform.test") -> WechatPay:
    """The adapter."""
    return WechatPay(wechat.own(url), end, lambda: platform.NOW, InlineExecutor().run, lambda: "nonce")


def stripe(end: httpx.AsyncClient) -> Stripe:
    """The adapter."""
    return Stripe(own_stripe(), end, lambda: platform.NOW, "https://shop.test/")


def alipay(end: httpx.AsyncClient, url: str = "https://platform.test/gateway.do") -> Alipay:
    """The adapter."""
    own = replace(platform.settings(), gateway=url, bill_timeout=0.5)
    return Alipay(own, end, lambda: platform.NOW, InlineExecutor().run)


async def asked(adapter: Adapter, question: Question, share: int) -> AsyncIterator[tuple[Any, object]]:
    """What the adapter makes of each spoilt answer, and this answer as another reader has it."""
    end = End()
    async with httpx.AsyncClient(transport=end) as http:
        by = adapter(http)
        for body in mutations(question.answers[question.spoilt], share):
            end.replies = question.replies(body)
            found = await ask(by, question.call)
            if found is not None:
                yield (second(body) if isinstance(found, Trade | RefundState) else None), found


@pytest.mark.parametrize("name", WECHAT)
async def test_wechat(name: str) -> None:
    """Every part of an answer, left out, doubled, or replaced by what it should never be."""
    async for told, found in asked(wechatpay, WECHAT[name], share=4):
        match found:
            case Trade("paid", _, amount) if name == "query":
                assert (told["mchid"], told["out_trade_no"]) == (wechat.MCHID, NUMBER)
                assert amount == told["amount"]["total"]
            case RefundState("succeeded"):
                assert (told["out_trade_no"], told["out_refund_no"], told["amount"]["refund"]) == (NUMBER, "77", 880)
            case _:
                pass


@pytest.mark.parametrize("name", STRIPE)
async def test_stripe(name: str) -> None:
    """The same; an amount that is none in yuan is 0, which no payment is of."""
    async for told, found in asked(stripe, STRIPE[name], share=2):
        match found:
            case Trade("paid", _, amount) if name == "session":
                assert (told["client_reference_id"], told["payment_status"], amount) == (NUMBER, "paid", 8880)
            case Trade("paid", _, amount) if name == "intent" and amount:
                assert (told["amount_received"], told["currency"]) == (amount, "cny")
            case RefundState("succeeded"):
                made = told["data"][0] if name == "refunds" else told
                assert (made["amount"], made["currency"], made["status"]) == (880, "cny", "succeeded")
            case _:
                pass


@pytest.mark.parametrize("name", ALIPAY)
async def test_alipay(name: str) -> None:
    """The same; a number that Alipay leaves empty is the one that was asked about."""
    async for told, found in asked(alipay, ALIPAY[name], share=2):
        match found:
            case Trade("paid", _, amount) if name == "query":
                assert (told["out_trade_no"], int(Decimal(told["total_amount"]) * 100)) == (NUMBER, amount)
            case RefundState("succeeded") if name == "refunded":
                assert told.get("out_trade_no", "") in (NUMBER, "")
                assert told.get("out_request_no", "") in ("77", "")
                assert (told["refund_status"], Decimal(told["refund_amount"])) == ("REFUND_SUCCESS", Decimal("8.80"))
            case _:
                pass


BODY = json.dumps(wechat.PAID).encode()
ENVELOPE = alipay_envelope("alipay.trade.query", json.dumps(ALIPAY_TRADE).encode())


class Told(httpx.AsyncBaseTransport):
    """Answers with the same to everything, and keeps what was asked last."""

    def __init__(self) -> None:
        self.answer: tuple[bytes, dict[str, str]] = (b"", {})
        self.asked: httpx.Request | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer."""
        self.asked = request
        return httpx.Response(200, content=self.answer[0], headers=self.answer[1])


TOLD = Told()
WECHATPAY, ALIPAYS = wechatpay(httpx.AsyncClient(transport=TOLD)), alipay(httpx.AsyncClient(transport=TOLD))


@settings(max_examples=200)
@given(st.integers(0, 2_000), st.integers(0, 255), st.integers(0, 4))
async def test_spoilt_on_the_way(at: int, byte: int, how: int) -> None:
    """A byte changed, added or lost behind the platform's back: never another trade than the one that was told of."""
    content = spoilt(BODY, at, byte, how)
    TOLD.answer = (content, wechat.signed(BODY))
    assert await ask(WECHATPAY, "query") is None or content == BODY
    TOLD.answer = (spoilt(ENVELOPE, at, byte, how), {})
    assert await ask(ALIPAYS, "query") in (None, Trade("paid", "2026010122001400000001", 8880, 1_767_225_601_000))


HEADERS = (
    *("", "\xe9", "x" * 5_000, "1e9", "9" * 40, "==", "A", "NaN", "-1", "WECHATPAY/SIGNTEST/x", "gzip", "br, zstd"),
    *("http://[", "http://exa mple/", "//\xff", "https://elsewhere.test:99999/", "a=b; Expires=never", "text/\xff"),
)
NAMES = (*wechat.signed(b""), "content-encoding", "location", "set-cookie", "content-type", "date", "retry-after")


@pytest.mark.parametrize("status", [100, 101, 204, 206, 302, 304, 307, 404, 599, 999])
async def test_headers_and_statuses(status: int) -> None:
    """Whatever stands in the headers, on the real client: what is asked for, or an error that the port knows."""
    headers: dict[str, str] = {}

    def answer(_: Asked) -> Reply:
        return Reply(status, BODY, headers)

    with peer(answer) as known:
        async with platform_client(2) as http:
            by = wechatpay(http, known.url)
            for name in NAMES:
                for value in HEADERS:
                    headers = {**wechat.signed(BODY), name: value}
                    await ask(by, "query")


ADDRESSES = (
    *("https://[", "https://exa mple/", "https://\x00/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "https:///"),
    *(
        "https://é.test/",
        "http://xn--a/",
        "https://" + "a" * 70 + ".test/",
        "http://127.0.0.1/\r\nX: y",
        "https://a..b/",
    ),
    *(
        "https://-/",
        "https://user:pass@/",
        "https://*/",
        "http://127.0.0.1/%zz?%",
        "http://\ud7ff/",
        "https://１２７.0.0.1:9/",
    ),
)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_addresses_of_bills(address: str) -> None:
    """A bill at an address that is none, proven as it is: an error that the port knows, on the real client."""
    bill = {**WECHAT["bill"].answers["/v3/bill/tradebill"], "download_url": address}
    body = dumped(bill)
    with peer(lambda _: Reply(200, body, wechat.signed(body))) as known:
        async with platform_client(2) as http:
            by = wechatpay(http, known.url)
            assert await ask(by, "bill") is None
    method = "alipay.data.dataservice.bill.downloadurl.query"
    made = alipay_envelope(method, dumped({**DONE, "bill_download_url": address}))
    with peer(lambda _: Reply(200, made)) as known:
        async with platform_client(2) as http:
            assert await ask(alipay(http, known.url), "bill") is None
