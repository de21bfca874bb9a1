"""python-alipay-sdk, written by others against the real platform, as the referee of the sandbox."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from alipay import AliPay
from alipay.exceptions import AliPayException, AliPayValidationError

from makegood.keys import generate_private_key, private_pem, public_pem
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Receiver, receiving

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running sandbox."""
    with running_sandbox(tmp_path_factory.mktemp("oracle")) as process:
        yield process


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """The merchant's callback address."""
    with receiving() as listening:
        yield listening


def pointed_at(sandbox: SandboxProcess, **changed: str) -> AliPay:
    """The SDK as the sandbox's merchant, or as somebody who is not quite it."""
    mine = {**sandbox.alipay, **changed}
    sdk = AliPay(
        appid=mine["app_id"],
        app_notify_url="",
        app_private_key_string=mine["merchant_private_key"],
        alipay_public_key_string=mine["platform_public_key"],
        sign_type="RSA2",
    )
    sdk._gateway = mine["gateway"]  # pyright: ignore[reportPrivateUsage] - it knows no other way
    return sdk


@pytest.fixture(scope="module")
def sdk(sandbox: SandboxProcess) -> AliPay:
    """The SDK as the sandbox's merchant; it verifies the signature of every answer itself."""
    return pointed_at(sandbox)


def test_payment_from_code_to_refund(sdk: AliPay, receiver: Receiver) -> None:
    """Precreate, query, pay, query, refund in two parts, query of a refund: all as the SDK expects them."""
    made = sdk.api_alipay_trade_precreate("Apples", "whole_way", "88.88", notify_url=receiver.url)
    assert (made["code"], made["out_trade_no"]) == ("10000", "whole_way")
    unseen = sdk.api_alipay_trade_query(out_trade_no="whole_way")
    assert (unseen["code"], unseen["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")
    httpx.get(made["qr_code"])
    assert sdk.api_alipay_trade_query(out_trade_no="whole_way")["trade_status"] == "WAIT_BUYER_PAY"
    assert httpx.post(made["qr_code"], data={"action": "pay"}).status_code == 200
    paid = sdk.api_alipay_trade_query(out_trade_no="whole_way")
    assert [paid[key] for key in ("trade_status", "total_amount")] == ["TRADE_SUCCESS", "88.88"]
    assert sdk.api_alipay_trade_query(trade_no=paid["trade_no"]) == paid
    part = sdk.api_alipay_trade_refund("8.88", out_trade_no="whole_way", out_request_no="r1")
    assert [part[key] for key in ("code", "fund_change", "refund_fee")] == ["10000", "Y", "8.88"]
    rest = sdk.api_alipay_trade_refund("80.00", out_trade_no="whole_way", out_request_no="r2")
    assert [rest[key] for key in ("fund_change", "refund_fee")] == ["Y", "88.88"]
    assert sdk.api_alipay_trade_query(out_trade_no="whole_way")["trade_status"] == "TRADE_CLOSED"
    asked = sdk.api_alipay_trade_fastpay_refund_query("r1", out_trade_no="whole_way")
    assert [asked[key] for key in ("refund_status", "refund_amount")] == ["REFUND_SUCCESS", "8.88"]


def test_notifications_are_genuine_to_the_sdk(sdk: AliPay, receiver: Receiver) -> None:
    """The SDK's own check takes each notification, and refuses it after any change."""
    made = sdk.api_alipay_trade_precreate(
        "Äpfel & 苹果 = 100%", "heard", "1.00", notify_url=receiver.url, body="+ more"
    )
    httpx.post(made["qr_code"], data={"action": "pay"})
    sdk.api_alipay_trade_refund("1.00", out_trade_no="heard")
    about: list[dict[str, str]] = []
    while len(about) < 2:
        notice = receiver.next()
        if notice["out_trade_no"] == "heard":
            about.append(notice)
    for notice in about:
        signature = notice.pop("sign")
        assert sdk.verify(dict(notice), signature)
        for name in set(notice) - {"sign_type"}:
            assert not sdk.verify(notice | {name: notice[name] + "0"}, signature), name
    assert {notice["trade_status"] for notice in about} == {"TRADE_SUCCESS", "TRADE_CLOSED"}


def test_close_as_the_sdk_sees_it(sdk: AliPay) -> None:
    """A scanned trade is closed; an unseen one does not exist."""
    made = sdk.api_alipay_trade_precreate("Apples", "to_close", 0.01, timeout_express="90m")
    assert sdk.api_alipay_trade_close(out_trade_no="to_close")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    made = sdk.api_alipay_trade_precreate("Apples", "to_close_2", 0.01, timeout_express="90m")
    httpx.get(made["qr_code"])
    assert sdk.api_alipay_trade_close(out_trade_no="to_close_2")["code"] == "10000"
    assert sdk.api_alipay_trade_query(out_trade_no="to_close_2")["trade_status"] == "TRADE_CLOSED"


def test_stranger_is_refused(sandbox: SandboxProcess) -> None:
    """Another merchant's key, an unknown app, and a method there is not."""
    forged = pointed_at(sandbox, merchant_private_key=private_pem(generate_private_key()))
    assert forged.api_alipay_trade_query(out_trade_no="x")["sub_code"] == "isv.invalid-signature"
    with pytest.raises(AliPayException, match=r"isv\.invalid-app-id"):
        pointed_at(sandbox, app_id="2021000000000000").api_alipay_trade_query(out_trade_no="x")
    with pytest.raises(AliPayException, match=r"isv\.invalid-method"):
        pointed_at(sandbox).api_alipay_trade_cancel(out_trade_no="x")


def test_sdk_would_notice_another_platform(sandbox: SandboxProcess) -> None:
    """With another platform key the SDK takes no answer, so its checks above were real."""
    other = pointed_at(sandbox, platform_public_key=public_pem(generate_private_key().public_key()))
    with pytest.raises(AliPayValidationError):
        other.api_alipay_trade_query(out_trade_no="x")


def test_page_pay_leads_to_the_cashier(sdk: AliPay, sandbox: SandboxProcess, receiver: Receiver) -> None:
    """The SDK's signed query string leads a browser to the cashier, and back to the shop with a signature."""
    back = "http://shop.example/back?x=1"
    order = sdk.api_alipay_trade_page_pay("Apples", "by_page", "3.00", return_url=back, notify_url=receiver.url)
    assert sdk.api_alipay_trade_query(out_trade_no="by_page")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    led = httpx.get(f"{sandbox.alipay['gateway']}?{order}")
    assert led.status_code == 302
    cashier = led.headers["location"]
    again = httpx.post(sandbox.alipay["gateway"], content=order, headers={"Content-Type": FORM})
    assert again.headers["location"] == cashier
    httpx.get(cashier)
    assert sdk.api_alipay_trade_query(out_trade_no="by_page")["trade_status"] == "WAIT_BUYER_PAY"
    paid = httpx.post(cashier, data={"action": "pay"})
    found = re.search(r'href="(http://shop[^"]+)"', paid.text)
    assert found
    fields = dict(parse_qsl(urlsplit(unescape(found[1])).query))
    assert (fields.pop("x"), fields["out_trade_no"], fields["total_amount"]) == ("1", "by_page", "3.00")
    signature = fields.pop("sign")
    assert sdk.verify(dict(fields), signature)
    assert not sdk.verify(fields | {"total_amount": "30.00"}, signature)
    assert sdk.api_alipay_trade_query(out_trade_no="by_page")["trade_status"] == "TRADE_SUCCESS"
    late = httpx.get(f"{sandbox.alipay['gateway']}?{order}")
    assert (late.status_code, "ACQ.TRADE_HAS_SUCCESS" in late.text) == (200, True)
    forged = httpx.get(f"{sandbox.alipay['gateway']}?{order.replace('3.00', '0.01')}")
    assert "isv.invalid-signature" in forged.text


def test_bill_of_a_day(tmp_path: Path) -> None:
    """When the day is over its bill has every payment and refund once, in GBK; before that there is none."""
    with running_sandbox(tmp_path) as sandbox:
        sdk = pointed_at(sandbox)
        today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600))
        made = sdk.api_alipay_trade_precreate("苹果, 红", "billed", "10.00")
        httpx.post(made["qr_code"], data={"action": "pay"})
        sdk.api_alipay_trade_precreate("Apples", "not_paid", "1.00")
        sdk.api_alipay_trade_refund("3.00", out_trade_no="billed", out_request_no="r1")
        early = bill_address(sdk, today)
        assert early["sub_code"] == "isp.bill_not_exist"
        httpx.post(f"{sandbox.url}/control/clock", json={"advance_seconds": 24 * 3600}).raise_for_status()
        url = bill_address(sdk, today)["bill_download_url"]
        archive = zipfile.ZipFile(io.BytesIO(httpx.get(url).raise_for_status().content))
        details, totals = archive.namelist()
        assert (details.endswith("_业务明细.csv"), totals.endswith("_业务明细(汇总).csv")) == (True, True)
        text = archive.read(details).decode("gbk")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        header, *rows = [[value.strip() for value in line.split(",")] for line in lines]
        paid, refund = (dict(zip(header, row, strict=True)) for row in rows)
        assert [paid[name] for name in ("商户订单号", "业务类型", "商家实收（元）")] == ["billed", "交易", "10.00"]
        assert paid["支付宝交易号"] == sdk.api_alipay_trade_query(out_trade_no="billed")["trade_no"]
        told = [refund[name] for name in ("业务类型", "商家实收（元）", "退款批次号/请求号")]
        assert told == ["退款", "-3.00", "r1"]
        assert "#交易合计：1笔，商家实收共10.00元" in text
        assert httpx.get(url.replace(today, "2026-01-01")).status_code == 404
        httpx.post(f"{sandbox.url}/control/clock", json={"advance_seconds": 31}).raise_for_status()
        assert httpx.get(url).status_code == 404


def bill_address(sdk: AliPay, day: str) -> dict[str, str]:
    """What the SDK is told of the bill of a day."""
    method = "alipay.data.dataservice.bill.downloadurl.query"
    return sdk.server_api(method, {"bill_type": "trade", "bill_date": day})
