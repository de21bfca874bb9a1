"""Alipay's page pay: a signed address, for which nobody is asked; and the bill, of which the day must be over."""

import base64
import json
from collections.abc import Generator
from datetime import date
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from alipay import AliPay
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from makegood.engine.executor import InlineExecutor
from makegood.keys import private_pem, public_pem
from makegood.shop.payments.gateways.alipay import Alipay, AlipaySettings
from makegood.shop.payments.gateways.http import platform_client
from makegood.shop.payments.gateways.port import GatewayUnavailable, OpenPayment

from .peer import Asked, Peer, Reply, peer
from .platform import APP, MERCHANT_KEY, NOW, PLATFORM_KEY, SELLER, envelope, settings
from .test_bills import alipay_line, alipay_text, packed

PAYMENT = OpenPayment("P1", 8880, "茶叶 & lid", NOW + 900_000, "https://shop.test/notify/alipay_page")
DAY = date(2026, 1, 1)
MORNING = 1_767_315_600_000
"""2026-01-02 09:00:00 in Beijing, in ms UTC."""
METHOD = "alipay.data.dataservice.bill.downloadurl.query"


def own(gateway: str = "https://platform.test/gateway.do", return_url: str = "") -> AlipaySettings:
    """A merchant's settings."""
    keys = settings()
    return AlipaySettings(
        gateway, APP, SELLER, keys.merchant_private_key, keys.platform_public_key, return_url=return_url
    )


async def test_address() -> None:
    """It holds the whole payment, and its signature fits what a browser sends there; no connection is made."""
    async with platform_client(1) as http:
        page = Alipay(own(return_url="https://shop.test/"), http, lambda: NOW, InlineExecutor().run, product="page")
        url = (await page.open(PAYMENT)).pay_url
    fields = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    assert json.loads(fields["biz_content"]) == {
        "out_trade_no": "P1",
        "total_amount": "88.80",
        "subject": "茶叶   lid",
        "time_expire": "2026-01-01 08:15:00",
        "product_code": "FAST_INSTANT_TRADE_PAY",
    }
    assert fields["method"] == "alipay.trade.page.pay"
    assert (fields["notify_url"], fields["return_url"]) == (PAYMENT.notify_url, "https://shop.test/")
    sign = base64.b64decode(fields.pop("sign"))
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    MERCHANT_KEY.public_key().verify(sign, text.encode(), PKCS1v15(), SHA256())


async def test_address_as_the_sdk_sees_it() -> None:
    """The SDK, given the same parameters, signs them alike."""
    sdk = AliPay(APP, "", private_pem(MERCHANT_KEY), public_pem(PLATFORM_KEY.public_key()))
    page = Alipay(own(), httpx.AsyncClient(), lambda: NOW, InlineExecutor().run, product="page")
    fields = dict(parse_qsl(urlsplit((await page.open(PAYMENT)).pay_url).query))
    sign = fields.pop("sign")
    signed = dict(parse_qsl(sdk.sign_data(dict(fields))))
    assert signed["sign"] == sign


@pytest.fixture
def platform() -> Generator[Peer]:
    """Alipay, which has a bill: the day's one payment."""
    zipped = packed(alipay_text(alipay_line("交易", "88.80")))

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply(200, zipped)
        text = json.dumps({"code": "10000", "msg": "Success", "bill_download_url": f"{known.url}/bill?fileId=1"})
        return Reply(200, envelope(METHOD, text))

    with peer(answer) as known:
        yield known


async def test_bill(platform: Peer) -> None:
    """The day's bill is asked for, fetched from where the signed answer says, and read."""
    async with platform_client(1) as http:
        alipay = Alipay(own(f"{platform.url}/gateway.do"), http, lambda: MORNING, InlineExecutor().run)
        assert [line.amount for line in await alipay.bill(DAY)] == [8880]
    asked = dict(parse_qsl(platform.asked[0].body.decode()))
    assert (asked["method"], json.loads(asked["biz_content"])) == (
        METHOD,
        {"bill_type": "trade", "bill_date": "2026-01-01"},
    )
    assert platform.asked[1].target == "/bill?fileId=1"


@pytest.mark.parametrize("code", ["isv.bill_not_exist", "BILL_NOT_EXIST", "isp.bill-not-exist"])
async def test_no_bill(platform: Peer, code: str) -> None:
    """That there is none means nothing before nine in the morning of the next day, and an empty day after that."""
    text = json.dumps({"code": "40004", "msg": "Business Failed", "sub_code": code})
    platform.answering = lambda _: Reply(200, envelope(METHOD, text))
    async with platform_client(1) as http:
        early = Alipay(own(platform.url), http, lambda: MORNING - 1, InlineExecutor().run)
        with pytest.raises(GatewayUnavailable, match="ask after 2026-01-02 09:00:00"):
            await early.bill(DAY)
        assert await Alipay(own(platform.url), http, lambda: MORNING, InlineExecutor().run).bill(DAY) == []


@pytest.mark.parametrize("reply", [Reply(404), Reply(200, b"<html>"), Reply(200, b""), Reply(cut=True)])
async def test_bill_that_does_not_come(platform: Peer, reply: Reply) -> None:
    """Its address is good for half a minute: what comes from it later, or by mistake, is no bill, nor an empty one."""
    had = platform.answering
    platform.answering = lambda asked: reply if asked.method == "GET" else had(asked)
    async with platform_client(1) as http:
        alipay = Alipay(own(platform.url), http, lambda: MORNING, InlineExecutor().run)
        with pytest.raises(GatewayUnavailable):
            await alipay.bill(DAY)
