"""python-alipay-sdk, written by others against the real platform, as the referee of the sandbox."""

from collections.abc import Iterator

import httpx
import pytest
from alipay import AliPay
from alipay.exceptions import AliPayException, AliPayValidationError

from makegood.keys import generate_private_key, private_pem, public_pem
from tests.support.sandbox import SandboxProcess, running_sandbox
from tests.unit.sandbox.merchant import Receiver, receiving


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
