"""The wire: what breaks on it, what lies on it, and what is tried again."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from makegood.engine.executor import InlineExecutor
from makegood.keys import InvalidKeyError
from makegood.shop.payments.gateways.alipay import Alipay, AlipayKeys, AlipaySettings
from makegood.shop.payments.gateways.alipay_signing import signed_form
from makegood.shop.payments.gateways.port import GatewayRefused, GatewayUnavailable, Trade
from makegood.shop.payments.gateways.wire import MAX_ANSWER

from .platform import APP, NOW, STRANGERS_KEY, Form, Platform, Reply, envelope, fails, gateway, says, settings, succeeds

QUERY = "alipay.trade.query"
PAID = {"trade_no": "T1", "trade_status": "TRADE_SUCCESS", "total_amount": "88.80"}


def raw(body: bytes, status: int = 200) -> Reply:
    """Answers with these bytes."""
    return lambda _: httpx.Response(status, content=body)


@pytest.mark.parametrize(
    "reply",
    [
        raw(b"", 500),
        raw(b"busy", 503),
        raw(b"", 302),
        raw(b"", 404),
        raw(b"<html>maintenance</html>"),
        raw(b""),
        raw(b'{"alipay_trade_query_response":{"code":"10000"}}'),
        raw(b'{"alipay_trade_query_response":{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}}'),
        raw(b'{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}'),
        raw(envelope(QUERY, '{"code":10000}')),
        raw(envelope(QUERY, "[]")),
        raw(envelope(QUERY, '{"msg":"Success"}')),
        raw(envelope(QUERY, '{"a":' * 2000 + "1" + "}" * 2000)),
        says({"code": "10000", "out_trade_no": "P1", **PAID}, STRANGERS_KEY),
        says({"code": "10000", "out_trade_no": "P2", **PAID}),
        says({"code": "10000", **PAID}),
        fails("ACQ.SYSTEM_ERROR"),
        fails("aop.ACQ.SYSTEM_ERROR"),
        fails("isp.unknow-error", "20000"),
        fails("", "20000"),
        fails("isv.app-call-limited", "40005"),
    ],
)  # fmt: skip
async def test_answer_that_decides_nothing(reply: Reply) -> None:
    """No answer but a proven, whole and fitting one is acted on: all others leave the outcome unknown."""
    platform = Platform()
    platform.replies[QUERY] = reply
    with pytest.raises(GatewayUnavailable):
        await gateway(platform.answer).query("P1")
    assert len(platform.received) == 1


async def test_answer_tampered_with() -> None:
    """Not one byte of an answer can be changed on its way."""
    platform = Platform()

    def tamper(form: Form) -> httpx.Response:
        return httpx.Response(200, content=succeeds(**PAID)(form).content.replace(b"88.80", b"00.01"))

    platform.replies[QUERY] = tamper
    with pytest.raises(GatewayUnavailable, match="not proven"):
        await gateway(platform.answer).query("P1")


async def test_answer_without_end() -> None:
    """An answer is read up to a limit, be it ever so well signed."""
    platform = Platform()

    def pad(form: Form) -> httpx.Response:
        return httpx.Response(200, content=succeeds(**PAID)(form).content + b" " * MAX_ANSWER)

    platform.replies[QUERY] = pad
    with pytest.raises(GatewayUnavailable, match="bytes"):
        await gateway(platform.answer).query("P1")


async def test_unsigned_error_tells_what_to_mend() -> None:
    """An error that Alipay could not sign decides nothing, yet the operator reads what it said."""
    platform = Platform()
    platform.replies[QUERY] = raw(b'{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}')
    with pytest.raises(GatewayUnavailable, match=r"check both keys: not signed.*isv\.invalid-app-id"):
        await gateway(platform.answer).query("P1")


async def test_definite_error() -> None:
    """A proven error that no repeat would change is a refusal with Alipay's code, its prefix taken off."""
    platform = Platform()
    platform.replies[QUERY] = fails("aop.ACQ.INVALID_PARAMETER")
    with pytest.raises(GatewayRefused) as caught:
        await gateway(platform.answer).query("P1")
    assert caught.value.code == "ACQ.INVALID_PARAMETER"


async def test_error_without_a_sub_code() -> None:
    """Where Alipay gives no finer code, its general one is kept."""
    platform = Platform()
    platform.replies[QUERY] = fails("", "40002")
    with pytest.raises(GatewayRefused) as caught:
        await gateway(platform.answer).query("P1")
    assert caught.value.code == "40002"


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.RemoteProtocolError("disconnected")])
async def test_broken_connection_is_tried_once_more(failure: httpx.HTTPError) -> None:
    """A connection that the platform had let go costs one more try, and only one."""
    platform = Platform()
    platform.replies[QUERY] = succeeds(**PAID)
    tries = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries in (1, 3, 4):
            raise failure
        return platform.answer(request)

    alipay = gateway(answer)
    assert (await alipay.query("P1")).amount == 8880
    with pytest.raises(GatewayUnavailable, match="out of reach"):
        await alipay.query("P1")
    assert tries == 4


@pytest.mark.parametrize("failure", [httpx.ReadError("reset"), httpx.WriteError("reset"), httpx.ReadTimeout("slow")])
async def test_lost_answer_is_left_to_the_caller(failure: httpx.HTTPError) -> None:
    """A request that may have arrived is not sent again here: the caller's task does, with back-off."""
    tries = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise failure

    with pytest.raises(GatewayUnavailable, match="out of reach"):
        await gateway(answer).query("P1")
    assert tries == 1


async def test_silent_platform() -> None:
    """A platform that never answers costs no more than the timeout."""

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    async with asyncio.timeout(2):
        with pytest.raises(GatewayUnavailable, match=r"no answer in 0\.05 s"):
            await gateway(answer, settings(timeout=0.05)).query("P1")


async def test_dripping_platform() -> None:
    """A platform that sends a byte now and then, never the whole, is bounded by the same timeout."""

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(6000):
            await asyncio.sleep(0.01)
            yield b" "

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=drip())

    async with asyncio.timeout(2):
        with pytest.raises(GatewayUnavailable, match="no answer"):
            await gateway(answer, settings(timeout=0.05)).query("P1")


async def test_redirect_is_not_followed() -> None:
    """A signed request goes to the configured gateway and nowhere else, whatever the client would follow."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(307, headers={"location": "https://elsewhere.test/"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True)
    with pytest.raises(GatewayUnavailable, match="HTTP 307"):
        await Alipay(settings(), http, lambda: NOW, InlineExecutor().run).query("P1")
    assert seen == ["platform.test"]


def test_settings_keep_their_keys_to_themselves() -> None:
    """No key stands in what a log or a traceback prints."""
    own = settings()
    assert APP in repr(own)
    assert "KEY" not in repr(own)
    assert own.merchant_private_key not in repr(gateway(Platform().answer, own))


@pytest.mark.parametrize(
    ("url", "app_id", "timeout"),
    [("ftp://x/", APP, 5), ("gateway.do", APP, 5), ("https://", APP, 5), ("https://x/", "", 5),
     ("https://x/", APP, 0), ("https://x/", APP, 61)],
)  # fmt: skip
def test_settings_refused(url: str, app_id: str, timeout: float) -> None:
    """Settings that cannot work are refused when they are read, not when the first buyer pays."""
    with pytest.raises(ValueError, match="alipay"):
        AlipaySettings(url, app_id, None, "", "", timeout)


def test_keys_refused() -> None:
    """A key that is none stops the shop from starting."""
    own = AlipaySettings("https://x/", APP, None, "no key", "no key")
    with pytest.raises(InvalidKeyError):
        gateway(Platform().answer, own)


async def test_keys_given_as_objects() -> None:
    """Given keys are taken as they are, even short ones, and those of the settings are not read."""
    short = [rsa.generate_private_key(public_exponent=65537, key_size=1024) for _ in range(2)]
    platform, keys = Platform(), AlipayKeys(short[0], short[1].public_key())
    platform.replies["alipay.trade.query"] = says({"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, short[1])
    own = AlipaySettings("https://platform.test/gateway.do", APP, None, "", "")
    http = httpx.AsyncClient(transport=httpx.MockTransport(platform.answer))
    alipay = Alipay(own, http, lambda: NOW, InlineExecutor().run, keys=keys)
    assert await alipay.query("P1") == Trade("unknown_trade")
    [sent] = platform.received
    signature = sent.pop("sign")
    assert signed_form(sent, short[0])["sign"] == signature


def test_channel_is_the_shops_choice() -> None:
    """A second merchant can stand beside the first, under a name of its own."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(Platform().answer))
    assert Alipay(settings(), http, lambda: NOW, InlineExecutor().run).channel == "alipay"
    second = Alipay(settings(), http, lambda: NOW, InlineExecutor().run, channel="alipay_overseas")
    assert second.channel == "alipay_overseas"
