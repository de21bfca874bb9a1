"""The wechatpayv3 SDK, synchronous and asynchronous, as a merchant of the sandbox."""

import csv
import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.async_ import AsyncWeChatPay
from wechatpayv3.async_ import WeChatPayType as AsyncWeChatPayType

from makegood.keys import generate_private_key, private_pem
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import http
from tests.unit.sandbox.post_box import Arrived, PostBox, post_box

DAY = 24 * 3600


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox for these tests."""
    with running_sandbox(tmp_path_factory.mktemp("wechatpay")) as process:
        yield process


@pytest.fixture
def box() -> Iterator[PostBox]:
    """The shop's callback address."""
    with post_box() as listening:
        yield listening


def keys(sandbox: SandboxProcess) -> dict[str, str]:
    """What the SDK calls the merchant's settings."""
    own = sandbox.config["wechatpay"]
    return {
        "mchid": own["mchid"],
        "appid": own["appid"],
        "apiv3_key": own["api_v3_key"],
        "cert_serial_no": own["merchant_serial"],
        "private_key": own["merchant_private_key"],
    }


def pointed_at(sandbox: SandboxProcess, **other: str) -> Any:
    """The SDK, which trusts the platform's public key."""
    own = sandbox.config["wechatpay"]
    public = {"public_key": own["platform_public_key"], "public_key_id": own["platform_public_key_id"]}
    settings: dict[str, Any] = keys(sandbox) | public | other
    sdk: Any = WeChatPay(WeChatPayType.NATIVE, **settings)
    sdk._core._gate_way = own["gateway"]  # it has no other way
    return sdk


@pytest.fixture
def sdk(sandbox: SandboxProcess) -> Any:
    """The SDK as the merchant."""
    return pointed_at(sandbox)


def said(answer: tuple[int, Any], status: int = 200) -> Any:
    """The JSON of an answer of that status."""
    assert answer[0] == status, answer
    return json.loads(answer[1]) if answer[1] else None


def order(sdk: Any, box: PostBox, number: str, total: int = 8880) -> str:
    """Makes an order; where it is paid."""
    made = said(sdk.pay("tea & 茶", number, {"total": total}, notify_url=box.url, attach="a=1"))
    return made["code_url"]


def pay(url: str) -> None:
    """The buyer pays."""
    httpx.post(url, data={"action": "pay"}).raise_for_status()


def told_to(sdk: Any, box: PostBox) -> tuple[Any, Arrived]:
    """What the next notification says, which the SDK verified and opened."""
    heard = box.next()
    return sdk.callback(dict(heard.headers), heard.body.decode()), heard


def test_whole_way(sdk: Any, box: PostBox) -> None:
    """An order is made, queried, paid, told, refunded in parts, and every answer's signature is genuine to the SDK."""
    url = order(sdk, box, "whole_way")
    waiting = said(sdk.query(out_trade_no="whole_way"))
    assert (waiting["trade_state"], waiting["amount"]["total"]) == ("NOTPAY", 8880)
    pay(url)
    paid = said(sdk.query(out_trade_no="whole_way"))
    assert (paid["trade_state"], paid["trade_type"], paid["attach"]) == ("SUCCESS", "NATIVE", "a=1")
    assert said(sdk.query(transaction_id=paid["transaction_id"])) == paid
    told, _ = told_to(sdk, box)
    assert told["event_type"] == "TRANSACTION.SUCCESS"
    assert told["resource"]["transaction_id"] == paid["transaction_id"]
    assert told["resource"]["amount"]["payer_total"] == 8880
    amount = {"refund": 880, "total": 8880, "currency": "CNY"}
    made = said(sdk.refund("whole_r1", amount, out_trade_no="whole_way", reason="late", notify_url=box.url))
    assert (made["status"], made["amount"]["refund"]) == ("PROCESSING", 880)
    told, _ = told_to(sdk, box)
    assert (told["event_type"], told["resource"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    assert told["resource"]["amount"] == {"total": 8880, "refund": 880, "payer_total": 8880, "payer_refund": 880}
    assert said(sdk.query_refund("whole_r1"))["status"] == "SUCCESS"
    again = said(sdk.refund("whole_r1", amount, out_trade_no="whole_way", notify_url=box.url))
    assert again["refund_id"] == made["refund_id"]
    assert said(sdk.query(out_trade_no="whole_way"))["trade_state"] == "REFUND"


def test_close(sdk: Any, box: PostBox) -> None:
    """A closed order answers 204, is CLOSED, and is not made again; what is not there says so."""
    url = order(sdk, box, "to_close")
    assert sdk.close("to_close")[0] == 204
    assert said(sdk.query(out_trade_no="to_close"))["trade_state"] == "CLOSED"
    assert httpx.post(url, data={"action": "pay"}).status_code == 409
    assert said(sdk.close("to_close"), 400)["code"] == "ORDER_CLOSED"
    refused = sdk.pay("tea", "to_close", {"total": 8880}, notify_url=box.url)
    assert said(refused, 400)["code"] == "ORDER_CLOSED"
    assert said(sdk.close("never_made"), 404)["code"] == "ORDER_NOT_EXIST"
    assert said(sdk.query(out_trade_no="never_made"), 404)["code"] == "ORDER_NOT_EXIST"
    assert said(sdk.query_refund("never_made"), 404)["code"] == "RESOURCE_NOT_EXISTS"


def test_repeats_and_conflicts(sdk: Any, box: PostBox) -> None:
    """The same order again has the same code, with another amount it is refused, and a paid one is paid."""
    url = order(sdk, box, "again_and_again")
    assert order(sdk, box, "again_and_again") == url
    other = sdk.pay("tea", "again_and_again", {"total": 1}, notify_url=box.url)
    assert said(other, 403)["code"] == "OUT_TRADE_NO_USED"
    pay(url)
    box.next()
    paid = sdk.pay("tea", "again_and_again", {"total": 8880}, notify_url=box.url)
    assert said(paid, 400)["code"] == "ORDERPAID"
    assert said(sdk.close("again_and_again"), 400)["code"] == "ORDERPAID"
    much = {"refund": 8881, "total": 8880, "currency": "CNY"}
    assert said(sdk.refund("too_much", much, out_trade_no="again_and_again"), 400)["code"] == "INVALID_REQUEST"
    none = {"refund": 1, "total": 1, "currency": "CNY"}
    assert said(sdk.refund("nothing", none, out_trade_no="never_made"), 404)["code"] == "RESOURCE_NOT_EXISTS"


@pytest.mark.parametrize(
    ("kind", "more", "field"),
    [
        (WeChatPayType.H5, {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}}, "h5_url"),
        (WeChatPayType.JSAPI, {"payer": {"openid": "o123"}}, "prepay_id"),
        (WeChatPayType.APP, {}, "prepay_id"),
    ],
)
def test_other_products(sdk: Any, box: PostBox, kind: WeChatPayType, more: Any, field: str) -> None:
    """h5, jsapi and app have what they need to be paid."""
    number = f"product_{kind.name}"
    made = said(sdk.pay("tea", number, {"total": 5}, notify_url=box.url, pay_type=kind, **more))
    assert made[field]
    assert said(sdk.query(out_trade_no=number))["trade_state"] == "NOTPAY"


def test_tampered_notifications_are_refused(sdk: Any, box: PostBox) -> None:
    """After any change of body or signature headers the SDK takes nothing."""
    pay(order(sdk, box, "to_tamper"))
    heard = box.next()
    headers = dict(heard.headers)
    assert sdk.callback(headers, heard.body)
    assert sdk.callback(headers, heard.body.replace(b"TRANSACTION", b"TRANSACTIOM")) is None
    for name in ("Wechatpay-Timestamp", "Wechatpay-Nonce"):
        assert sdk.callback(headers | {name: headers[name] + "1"}, heard.body) is None


def test_sdk_with_certificates(sandbox: SandboxProcess, box: PostBox) -> None:
    """An SDK that has no public key downloads the certificates, which verify answers and notifications."""
    sdk = pointed_at(sandbox)
    core: Any = sdk._core  # it asks the real platform as soon as it is made
    core._public_key = core._public_key_id = None
    core._update_certificates()
    assert len(core._certificates) == 2
    pay(order(sdk, box, "with_certificates"))
    assert said(sdk.query(out_trade_no="with_certificates"))["trade_state"] == "SUCCESS"
    told, heard = told_to(sdk, box)
    assert told["resource"]["out_trade_no"] == "with_certificates"
    assert not heard.headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_")
    rotating = {"rules": [{"kind": "key_rotation"}]}
    http.post(f"{sandbox.url}/control/faults", json=rotating).raise_for_status()
    pay(order(sdk, box, "after_rotation"))
    told, later = told_to(sdk, box)
    http.post(f"{sandbox.url}/control/faults", json={}).raise_for_status()
    assert told["resource"]["out_trade_no"] == "after_rotation"
    assert later.headers["Wechatpay-Serial"] != heard.headers["Wechatpay-Serial"]


def test_stranger_is_refused(sandbox: SandboxProcess) -> None:
    """Another key, another serial and another merchant are not let in."""
    for other in (
        {"private_key": private_pem(generate_private_key())},
        {"cert_serial_no": "1" * 40},
        {"mchid": "1900000001"},
    ):
        refused = pointed_at(sandbox, **other).query(out_trade_no="x" * 8)
        assert said(refused, 401)["code"] == "SIGN_ERROR"


async def test_async_sdk(sandbox: SandboxProcess, box: PostBox) -> None:
    """The asynchronous SDK goes the same way."""
    own = sandbox.config["wechatpay"]
    public = {"public_key": own["platform_public_key"], "public_key_id": own["platform_public_key_id"]}
    sdk: Any = AsyncWeChatPay(AsyncWeChatPayType.NATIVE, **keys(sandbox), **public)
    sdk._core._gate_way = own["gateway"]  # it has no other way
    async with sdk:
        status, answer = await sdk.pay("tea", "async_way", {"total": 100}, notify_url=box.url)
        assert status == 200
        pay(json.loads(answer)["code_url"])
        _, paid = await sdk.query(out_trade_no="async_way")
        assert json.loads(paid)["trade_state"] == "SUCCESS"
        told, _ = told_to(sdk, box)
        assert told["resource"]["out_trade_no"] == "async_way"


def test_bill_of_a_day(tmp_path: Path, box: PostBox) -> None:
    """When the day is over its bill has every payment and refund once; before that there is none."""
    with running_sandbox(tmp_path) as sandbox:
        sdk = pointed_at(sandbox)
        today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600))
        pay(order(sdk, box, "billed_1", 1000))
        order(sdk, box, "not_paid_1", 70)
        amount = {"refund": 300, "total": 1000, "currency": "CNY"}
        said(sdk.refund("billed_r1", amount, out_trade_no="billed_1"))
        assert said(sdk.trade_bill(today, tar_type=""), 400)["code"] == "STATEMENT_CREATING"
        http.post(f"{sandbox.url}/control/clock", json={"advance_seconds": DAY}).raise_for_status()
        about_it = said(sdk.trade_bill(today, tar_type=""))
        status, text = sdk.download_bill(about_it["download_url"])
        assert status == 200
        assert hashlib.sha1(text).hexdigest() == about_it["hash_value"]
        rows = [line.lstrip("`").split(",`") for line in text.decode().splitlines()]
        names = text.decode().splitlines()[0].split(",")
        paid, refund = (dict(zip(names, row, strict=True)) for row in rows[1:3])
        assert [paid[name] for name in ("商户订单号", "交易状态", "应结订单金额")] == ["billed_1", "SUCCESS", "10.00"]
        told = [refund[name] for name in ("商户退款单号", "交易状态", "退款金额", "退款状态")]
        assert told == ["billed_r1", "REFUND", "3.00", "SUCCESS"]
        assert rows[4] == ["2", "10.00", "3.00", "0.00", "0.00", "10.00", "3.00"]
        zipped = said(sdk.trade_bill(today))
        assert gzip.decompress(sdk.download_bill(zipped["download_url"])[1]) == text
        forged = sdk.download_bill(zipped["download_url"].replace("ALL", "SUCCESS"))
        assert said(forged, 400)["code"] == "PARAM_ERROR"
        assert said(sdk.trade_bill("2020-01-01"), 400)["code"] == "NO_STATEMENT_EXIST"
        assert len(list(csv.reader(text.decode().splitlines()))) == 5
