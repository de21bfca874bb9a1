"""WeChat Pay's notifications: what is believed, and how everything else is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpayv3 import utils

from makegood.shop.payments.gateways import wechatpay_notification
from makegood.shop.payments.gateways.port import MAX_NOTIFICATION, Notice, Rejected
from makegood.shop.payments.gateways.wechatpay_notification import Addressee
from makegood.shop.payments.gateways.wechatpay_settings import WechatPayKeys
from makegood.shop.payments.gateways.wechatpay_signing import Sealed, Signer, Unsealed, authorization, unsealed

from .platform import MERCHANT_KEY, NOW, PLATFORM_KEY, STRANGERS_KEY
from .wechat import (
    API_V3_KEY,
    APPID,
    MCHID,
    MERCHANT_SERIAL,
    NUMBER,
    PAID,
    REFUNDED,
    notification,
    own,
    sealed,
    signed,
)

KEYS = WechatPayKeys.of(own())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({*PAID, *REFUNDED, "resource", "id", "event_type", "create_time"}))


def read(body: bytes, headers: dict[str, str] | None = None, now: int = NOW) -> Notice:
    """As the adapter does."""
    return wechatpay_notification.read(body, signed(body) if headers is None else headers, ADDRESSEE, KEYS, now)


ADDRESSEE = Addressee(MCHID, APPID)


def refused(body: bytes, headers: dict[str, str] | None = None, now: int = NOW) -> str:
    """Why it is refused."""
    with pytest.raises(Rejected) as caught:
        read(body, headers, now)
    return caught.value.reason


def test_capture() -> None:
    """A payment that succeeded, with its amount, when it happened, and an id that is the same at every attempt."""
    told = read(notification(PAID))
    assert (told.kind, told.payment_id, told.amount) == ("captured", NUMBER, 8880)
    assert (told.trade_no, told.notify_id) == (PAID["transaction_id"], "EV-2018022511223320873")
    assert told.occurred_at == 1_767_225_601_000
    assert json.loads(told.raw["resource"]) == PAID


@pytest.mark.parametrize(("status", "amount"), [("SUCCESS", 880), ("ABNORMAL", 0), ("CLOSED", 0)])
def test_refund(status: str, amount: int) -> None:
    """A refund notice names its one refund; only one that succeeded gave something back."""
    body = notification({**REFUNDED, "refund_status": status}, f"REFUND.{status}")
    told = read(body)
    assert (told.kind, told.payment_id, told.refund_id, told.amount) == ("refund", NUMBER, "77", amount)


def test_trade_that_is_not_paid() -> None:
    """Whatever else is told of a payment changes nothing."""
    assert read(notification({**PAID, "trade_state": "USERPAYING", "success_time": ""})).kind == "other"


@pytest.mark.parametrize(
    ("seconds", "reason"), [(0, ""), (300, ""), (-300, ""), (301, "stale"), (-301, "stale"), (86_400, "stale")]
)
def test_window(seconds: int, reason: str) -> None:
    """A signature is good for five minutes, either way."""
    body = notification(PAID)
    headers = signed(body, at=NOW // 1000 - seconds)
    assert (refused(body, headers) if reason else "") == reason
    if not reason:
        assert read(body, headers).kind == "captured"


@pytest.mark.parametrize("missing", ["timestamp", "nonce", "signature", "serial"])
def test_unsigned(missing: str) -> None:
    """Each of the four headers is needed."""
    body = notification(PAID)
    headers = signed(body)
    del headers[f"wechatpay-{missing}"]
    assert refused(body, headers) == "bad_signature"


def test_strangers() -> None:
    """Another's signature, another body, another time, another key's name, and a probe: each has its reason."""
    body = notification(PAID)
    assert refused(body, signed(body, STRANGERS_KEY)) == "bad_signature"
    assert refused(body + b" ", signed(body)) == "bad_signature"
    assert refused(body, {**signed(body), "wechatpay-timestamp": str(NOW // 1000 - 1)}) == "bad_signature"
    assert refused(body, {**signed(body), "wechatpay-timestamp": "１２３"}) == "bad_signature"
    assert refused(body, signed(body, serial="PUB_KEY_ID_9")) == "unknown_serial"
    probe = {**signed(body), "wechatpay-signature": "WECHATPAY/SIGNTEST/" + "A" * 300}
    assert refused(body, probe) == "probe"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (notification({**PAID, "mchid": "1"}), "wrong_seller"),
        (notification({**PAID, "appid": "wx1"}), "wrong_app"),
        (notification({**REFUNDED, "mchid": "1"}, "REFUND.SUCCESS"), "wrong_seller"),
        (notification(PAID, "PAYSCORE.USER_CONFIRM"), "unsupported"),
        (notification(PAID, resource=sealed(b"{}", "0" * 32)), "malformed"),
        (notification(PAID, resource={**sealed(b"{}"), "algorithm": "NONE"}), "malformed"),
        (notification(PAID, resource={**sealed(b"{}"), "nonce": ""}), "malformed"),
        (notification(PAID, resource={**sealed(b"{}"), "nonce": "0" * 200}), "malformed"),
        (notification(PAID, resource={**sealed(b"{}"), "ciphertext": "="}), "malformed"),
        (notification(PAID, resource={**sealed(b"{}"), "associated_data": "other"}), "malformed"),
        (notification(PAID, resource=None), "malformed"),
        (notification(PAID, id=""), "malformed"),
        (notification(b"[]"), "malformed"),
        (notification(b"\xff"), "malformed"),
        (notification(b'{"a":' * 5000), "malformed"),
        (notification({**PAID, "amount": {"total": -1}}), "malformed"),
        (notification({**PAID, "amount": {"total": 1e3}}), "malformed"),
        (notification({**PAID, "success_time": "2026-02-30T00:00:00Z"}), "malformed"),
        (notification({**PAID, "success_time": ""}), "malformed"),
        (b"", "malformed"),
        (b" " * (MAX_NOTIFICATION + 1), "too_large"),
    ],
)
def test_signed_and_yet_refused(body: bytes, reason: str) -> None:
    """What the platform signed is read strictly, and only if it is meant for this merchant."""
    assert refused(body) == reason


@given(st.binary(max_size=400), st.dictionaries(st.sampled_from(sorted(signed(b""))), st.text(max_size=80)))
def test_anything_from_a_stranger(body: bytes, headers: dict[str, str]) -> None:
    """Whatever bytes and headers come, the answer is a refusal."""
    refused(body, headers)


@settings(max_examples=60)
@given(JSON | st.dictionaries(FIELDS, JSON))
def test_any_signed_json(content: Any) -> None:
    """Even signed, JSON of any shape is a notice or a refusal, and nothing else."""
    _read_or_refuse(json.dumps(content).encode())


@settings(max_examples=60)
@given(st.sampled_from([PAID, REFUNDED]), st.dictionaries(FIELDS, JSON, max_size=3))
def test_any_sealed_json(base: dict[str, Any], changed: dict[str, Any]) -> None:
    """The same of what is sealed in it."""
    for event in ("TRANSACTION.SUCCESS", "REFUND.SUCCESS"):
        _read_or_refuse(notification({**base, **changed}, event))


@given(st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30), st.text(max_size=200))
def test_any_sealed_resource(content: bytes, nonce: str, about: str, text: str) -> None:
    """A resource that was sealed otherwise is refused, whatever it holds."""
    for ciphertext in (text, base64.b64encode(content).decode()):
        with pytest.raises(Unsealed):
            unsealed(Sealed("AEAD_AES_256_GCM", ciphertext, nonce, about), API_V3_KEY.encode())


def _read_or_refuse(body: bytes) -> None:
    try:
        told = read(body)
    except Rejected:
        return
    assert isinstance(told.amount, int)
    assert told.payment_id


def test_as_the_sdk_sees_it() -> None:
    """The SDK takes our signature and opens what we open; we take what it signs, and nothing after a change."""
    header = authorization(Signer(MCHID, MERCHANT_SERIAL, MERCHANT_KEY), "POST", "/v3/x?a=1", b"{}", 1767225600, "n1")
    signature = header.partition('signature="')[2].partition('"')[0]
    before_nonce = "POST\n/v3/x?a=1\n1767225600"
    assert utils.rsa_verify(before_nonce, "n1", "{}", signature, MERCHANT_KEY.public_key())
    assert not utils.rsa_verify(before_nonce, "n1", "{ }", signature, MERCHANT_KEY.public_key())
    body = notification(PAID).decode()
    theirs = {**signed(b""), "wechatpay-nonce": "n2"}
    stamp = theirs["wechatpay-timestamp"]
    theirs["wechatpay-signature"] = utils.rsa_sign(PLATFORM_KEY, f"{stamp}\nn2\n{body}\n")
    assert read(body.encode(), theirs).kind == "captured"
    assert refused(body.replace("SUCCESS", "SUCCES5").encode(), theirs) == "bad_signature"
    resource = json.loads(body)["resource"]
    opened = utils.aes_decrypt(resource["nonce"], resource["ciphertext"], resource["associated_data"], API_V3_KEY)
    assert opened == unsealed(Sealed(**resource), API_V3_KEY.encode()).decode()
