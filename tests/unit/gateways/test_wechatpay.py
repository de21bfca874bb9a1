"""WeChat Pay's calls: what is sent, and what is believed of what is answered."""

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from datetime import date
from itertools import count
from typing import Any

import httpx
import pytest

from makegood.engine.executor import InlineExecutor
from makegood.keys import public_pem
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import (
    GatewayRefused,
    GatewayUnavailable,
    OpenPayment,
    RefundPayment,
    Trade,
)
from makegood.shop.payments.gateways.wechatpay import WechatPay
from makegood.shop.payments.gateways.wire import MAX_ANSWER

from .peer import Asked, Peer, Reply, peer
from .platform import NOW, STRANGERS_KEY
from .wechat import API_V3_KEY, MCHID, NUMBER, PAID, REFUNDED, fails, is_signed, own, says, signed

PAYMENT = OpenPayment(NUMBER, 8880, "茶叶 250 g", NOW + 900_000, "https://shop.test/notify", "192.0.2.7")
REFUND = RefundPayment(NUMBER, "77", 880, "broken", 8880, "", "https://shop.test/notify")
REFUND_ANSWER = {**REFUNDED, "status": "SUCCESS"}


def always(reply: Reply) -> Callable[[Asked], Reply]:
    """The same answer to everything."""
    return lambda _: reply


@pytest.fixture
def platform() -> Generator[Peer]:
    """A server that refuses all until a test says otherwise."""
    with peer(always(fails(404, "RESOURCE_NOT_EXISTS"))) as known:
        yield known


@asynccontextmanager
async def gateway(url: str, **changed: Any) -> AsyncGenerator[WechatPay]:
    """The adapter on the real client."""
    numbers = count(1)
    product = changed.pop("product", "native")
    async with platform_client(4) as http:
        yield WechatPay(
            own(url, **changed), http, lambda: NOW, InlineExecutor().run, lambda: f"N{next(numbers)}", product=product
        )


async def test_native_order(platform: Peer) -> None:
    """The order says who, what, how much, until when and where to call back, and is signed as a whole."""
    platform.answering = always(says({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuK"}))
    async with gateway(platform.url) as wechatpay:
        assert (await wechatpay.open(PAYMENT)).pay_url == "weixin://wxpay/bizpayurl?pr=p4lpSuK"
    [asked] = platform.asked
    assert is_signed(asked)
    assert (asked.method, asked.target) == ("POST", "/v3/pay/transactions/native")
    assert asked.headers["wechatpay-serial"].startswith("PUB_KEY_ID_")
    assert json.loads(asked.body) == {
        "appid": "wx0000000000000001",
        "mchid": MCHID,
        "description": "茶叶 250 g",
        "out_trade_no": NUMBER,
        "time_expire": "2026-01-01T08:15:00+08:00",
        "notify_url": "https://shop.test/notify",
        "amount": {"total": 8880, "currency": "CNY"},
    }


async def test_h5_order(platform: Peer) -> None:
    """The order says the buyer's address, and the browser is led back; without the address nothing is asked."""
    platform.answering = always(says({"h5_url": "https://wx.tenpay.com/cgi-bin/mmpayweb?prepay_id=wx1&package=2"}))
    async with gateway(platform.url, product="h5", return_url="https://shop.test/#/o?a=1") as wechatpay:
        url = (await wechatpay.open(PAYMENT)).pay_url
        assert url.endswith("&package=2&redirect_url=https%3A%2F%2Fshop.test%2F%23%2Fo%3Fa%3D1")
        unknown = OpenPayment(NUMBER, 8880, "tea", NOW + 900_000, "https://shop.test/notify")
        with pytest.raises(GatewayRefused, match="client-ip-header"):
            await wechatpay.open(unknown)
    [asked] = platform.asked
    scene = json.loads(asked.body)["scene_info"]
    assert scene == {"payer_client_ip": "192.0.2.7", "h5_info": {"type": "Wap"}}


@pytest.mark.parametrize(
    ("said", "trade"),
    [
        ({}, Trade("paid", PAID["transaction_id"], 8880, 1_767_225_601_000)),
        ({"trade_state": "REFUND"}, Trade("closed", PAID["transaction_id"], 8880, 1_767_225_601_000)),
        ({"trade_state": "NOTPAY", "transaction_id": "", "success_time": ""}, Trade("unpaid", "", 8880, None)),
        ({"trade_state": "USERPAYING", "transaction_id": "", "success_time": ""}, Trade("unpaid", "", 8880, None)),
        ({"trade_state": "CLOSED", "transaction_id": "", "success_time": ""}, Trade("closed", "", 8880, None)),
    ],
)
async def test_query(platform: Peer, said: dict[str, str], trade: Trade) -> None:
    """Each state of an order as the service knows it; one that was refunded in part or whole was not by us."""
    platform.answering = always(says({**PAID, **said}))
    async with gateway(platform.url) as wechatpay:
        assert await wechatpay.query(NUMBER) == trade
    assert platform.asked[0].target == f"/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={MCHID}"
    assert is_signed(platform.asked[0])


BODY = json.dumps(PAID).encode()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, BODY),
        Reply(200, BODY, {**signed(BODY), "wechatpay-signature": ""}),
        Reply(200, BODY, {**signed(BODY), "wechatpay-nonce": "OTHER"}),
        Reply(200, BODY, {**signed(BODY), "wechatpay-serial": "PUB_KEY_ID_9"}),
        Reply(200, BODY, signed(BODY, at=NOW // 1000 - 301)),
        Reply(200, BODY, signed(BODY, at=NOW // 1000 + 301)),
        Reply(200, BODY.replace(b"8880", b"0001"), signed(BODY)),
        Reply(404, b'{"code":"ORDER_NOT_EXIST","message":"x"}'),
        Reply(401, b'{"code":"SIGN_ERROR","message":"x"}'),
        Reply(200, b" " * (MAX_ANSWER + 1)),
        Reply(302, b"", {"location": "https://elsewhere.test/"}),
        Reply(cut=True),
        says(PAID, key=STRANGERS_KEY),
        says({**PAID, "out_trade_no": "2"}),
        says({**PAID, "mchid": "2"}),
        says({**PAID, "trade_state": "STRANGE"}),
        says({**PAID, "success_time": "yesterday"}),
        says({**PAID, "success_time": "", "transaction_id": ""}),
        says({**PAID, "amount": {"total": "8880"}}),
        says({"a": 1}),
        Reply(200, b"[", signed(b"[")),
        Reply(200, b"\xff", signed(b"\xff")),
        Reply(200, b'{"amount":' * 3000, signed(b'{"amount":' * 3000)),
        fails(429, "FREQUENCY_LIMITED"),
        fails(429, "WHATEVER"),
        fails(500, "SYSTEM_ERROR"),
        fails(400, "BANKERROR"),
        Reply(502, b"<html>"),
    ],
)  # fmt: skip
async def test_answer_that_decides_nothing(platform: Peer, reply: Reply) -> None:
    """No answer but a proven, recent, whole and fitting one is acted on, an error no more than a success."""
    platform.answering = always(reply)
    async with gateway(platform.url) as wechatpay:
        with pytest.raises(GatewayUnavailable):
            await wechatpay.query(NUMBER)


async def test_order_that_is_not_known(platform: Peer) -> None:
    """A proven word that there is none: it is unknown, and counts as closed."""
    platform.answering = always(fails(404, "ORDER_NOT_EXIST"))
    async with gateway(platform.url) as wechatpay:
        assert await wechatpay.query(NUMBER) == Trade("unknown_trade")
        assert await wechatpay.close(NUMBER) == "closed"


@pytest.mark.parametrize(
    ("reply", "state", "outcome"),
    [
        (says(None, 204), None, "closed"),
        (fails(400, "ORDER_CLOSED"), None, "closed"),
        (fails(400, "ORDERPAID"), None, "paid"),
        (fails(400, "INVALID_REQUEST"), "USERPAYING", "unknown"),
        (fails(400, "INVALID_REQUEST"), "SUCCESS", "paid"),
        (fails(400, "INVALID_REQUEST"), "REFUND", "paid"),
        (fails(400, "INVALID_REQUEST"), "CLOSED", "closed"),
    ],
)
async def test_close(platform: Peer, reply: Reply, state: str | None, outcome: str) -> None:
    """The empty answer of a close is proven too; why one is refused is looked up."""
    bare = {} if state in ("SUCCESS", "REFUND") else {"success_time": "", "transaction_id": ""}
    platform.answering = lambda asked: says({**PAID, "trade_state": state, **bare}) if asked.method == "GET" else reply
    async with gateway(platform.url) as wechatpay:
        assert await wechatpay.close(NUMBER) == outcome
    assert json.loads(platform.asked[0].body) == {"mchid": MCHID}
    assert len(platform.asked) == (1 if state is None else 2)


async def test_close_that_is_not_allowed(platform: Peer) -> None:
    """A refusal that is about the merchant, not about the order, is passed on."""
    platform.answering = lambda asked: (
        says({**PAID, "trade_state": "NOTPAY", "success_time": ""}) if asked.method == "GET" else fails(403, "NO_AUTH")
    )
    async with gateway(platform.url) as wechatpay:
        with pytest.raises(GatewayRefused, match="NO_AUTH"):
            await wechatpay.close(NUMBER)


@pytest.mark.parametrize(
    ("made", "found", "state"),
    [
        (says(REFUND_ANSWER), None, "succeeded"),
        (says({**REFUND_ANSWER, "status": "PROCESSING"}), "SUCCESS", "succeeded"),
        (says({**REFUND_ANSWER, "status": "PROCESSING"}), "PROCESSING", "processing"),
        (says({**REFUND_ANSWER, "status": "PROCESSING"}), "ABNORMAL", "abnormal"),
        (says({**REFUND_ANSWER, "status": "ABNORMAL"}), "ABNORMAL", "abnormal"),
        (says({**REFUND_ANSWER, "status": "CLOSED"}), "CLOSED", "failed"),
        (fails(400, "INVALID_REQUEST"), "SUCCESS", "succeeded"),
        (fails(400, "INVALID_REQUEST"), None, "failed"),
        (fails(404, "RESOURCE_NOT_EXISTS"), None, "failed"),
    ],
)
async def test_refund(platform: Peer, made: Reply, found: str | None, state: str) -> None:
    """What a refund comes to; one that is refused may have been made before, and is looked up."""
    query = says({**REFUND_ANSWER, "status": found}) if found else fails(404, "RESOURCE_NOT_EXISTS")
    platform.answering = lambda asked: query if asked.method == "GET" else made
    async with gateway(platform.url) as wechatpay:
        assert (await wechatpay.refund(REFUND)).status == state
    assert all(map(is_signed, platform.asked))
    assert json.loads(platform.asked[0].body) == {
        "out_trade_no": NUMBER,
        "out_refund_no": "77",
        "reason": "broken",
        "notify_url": "https://shop.test/notify",
        "amount": {"refund": 880, "total": 8880, "currency": "CNY"},
    }


async def test_refund_of_another_amount(platform: Peer) -> None:
    """A refund number that was used for another amount gave back that one, not this."""
    platform.answering = always(says({**REFUND_ANSWER, "amount": {"refund": 1}}))
    async with gateway(platform.url) as wechatpay:
        assert (await wechatpay.refund(REFUND)).status == "failed"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (fails(403, "NOT_ENOUGH"), GatewayUnavailable),
        (fails(400, "INVALID_REQUEST", "订单处理中，请稍后再试"), GatewayUnavailable),
        (says({**REFUND_ANSWER, "status": "STRANGE"}), GatewayUnavailable),
        (says({**REFUND_ANSWER, "out_refund_no": "78"}), GatewayUnavailable),
        (fails(401, "SIGN_ERROR"), GatewayRefused),
        (fails(403, "NO_AUTH"), GatewayRefused),
    ],
)
async def test_refund_that_is_not_decided(platform: Peer, reply: Reply, error: type[Exception]) -> None:
    """Neither an account that is empty, nor a wrong setting, makes a refund fail for good."""
    gone = fails(404, "RESOURCE_NOT_EXISTS")
    platform.answering = lambda asked: gone if asked.method == "GET" else reply
    async with gateway(platform.url) as wechatpay:
        with pytest.raises(error):
            await wechatpay.refund(REFUND)


async def test_second_host(platform: Peer) -> None:
    """It is asked, signed anew, when the first is not there, or answers with 5xx; an order is found there too."""
    platform.answering = always(says(PAID))
    with peer(always(Reply(503, b"busy"))) as busy:
        for first in ("http://127.0.0.1:1", busy.url):
            async with gateway(f"{first} {platform.url}") as wechatpay:
                assert (await wechatpay.query(NUMBER)).state == "paid"
        assert is_signed(busy.asked[0])
        assert busy.asked[0].headers["authorization"] != platform.asked[1].headers["authorization"]
    async with gateway("http://127.0.0.1:1 http://127.0.0.1:1") as wechatpay:
        with pytest.raises(GatewayUnavailable, match="out of reach"):
            await wechatpay.query(NUMBER)


async def test_key_rotation(platform: Peer) -> None:
    """Both keys of the platform are believed while both are configured."""
    further = f"PUB_KEY_ID_2\n{public_pem(STRANGERS_KEY.public_key())}"
    body = json.dumps(PAID).encode()
    platform.answering = always(Reply(200, body, signed(body, STRANGERS_KEY, serial="PUB_KEY_ID_2")))
    async with gateway(platform.url, platform_keys=further) as wechatpay:
        assert (await wechatpay.query(NUMBER)).state == "paid"
    platform.answering = always(says(PAID))
    async with gateway(platform.url, platform_keys=further) as wechatpay:
        assert (await wechatpay.query(NUMBER)).state == "paid"


async def test_bill_of_another_content(platform: Peer) -> None:
    """A bill is believed by the hash that the signed answer gives; it is fetched from our own host alone."""
    listed = {"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": "https://elsewhere.test/v3/b?token=1"}
    platform.answering = lambda asked: says(listed) if "tradebill" in asked.target else Reply(200, b"bill")
    async with gateway(platform.url) as wechatpay:
        with pytest.raises(GatewayUnavailable, match="hash"):
            await wechatpay.bill(date(2026, 1, 1))
    assert [asked.target for asked in platform.asked][1] == "/v3/b?token=1"
    assert is_signed(platform.asked[1])


async def test_keys_stay_hidden() -> None:
    """No key stands in what a log or a traceback prints."""
    async with httpx.AsyncClient() as http:
        wechatpay = WechatPay(own(), http, lambda: NOW, InlineExecutor().run, lambda: "n")
    for text in (repr(own()), repr(wechatpay), str(vars(wechatpay)["_settings"])):
        assert API_V3_KEY not in text
        assert "PRIVATE KEY" not in text
    assert wechatpay.account == f"wechatpay:{MCHID}"
