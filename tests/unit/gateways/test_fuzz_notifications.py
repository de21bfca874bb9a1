"""Notifications with something wrong with them, by the platform's own signature or by none: read soundly, or Rejected.

What is captured is what the signed text says, read here a second time: no spoilt amount, number or merchant passes.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from makegood.engine.executor import InlineExecutor
from makegood.shop.payments.gateways.port import MAX_AMOUNT, Gateway, Notice, Rejected
from makegood.shop.payments.gateways.stripe import Stripe
from makegood.shop.payments.gateways.wechatpay import WechatPay
from tests.support.mutated import TEXTS, VALUES, Raw, changed, dumped, mutations, places, spoilt

from . import wechat
from .platform import APP, CAPTURE, NOW, SELLER, Platform, gateway, notice
from .sound import assert_sound_notice
from .test_stripe import CHARGE, INTENT, MADE, NUMBER, PAID_SESSION, SECRET
from .test_stripe import own as own_stripe

Headers = dict[str, str]
HTTP = httpx.AsyncClient()
ALIPAY = gateway(Platform().answer)
WECHATPAY = WechatPay(wechat.own(), HTTP, lambda: NOW, InlineExecutor().run, lambda: "nonce")
STRIPE = Stripe(own_stripe(), HTTP, lambda: NOW, "https://shop.test/")
HEADER_VALUES = (
    *("", " ", "0", "-1", "é", "茶", "\ud800", "\0", "x" * 70_000, "%00", "=", "====", "AAAA", "A", "a\r\nb: c", "NaN"),
    *("1767225600.0", "1e9", "9" * 13, "9" * 5000, "１７６７２２５６００", "-1767225600", " 1767225600", "1767225600 "),
    *("t=1767225600", "v1=", "t=,v1=", "t=1767225600,v1=\xff", "t=1767225600,t=1767225601,v1=00", "v1=00,v0=00,t=١"),
    *(",", ",,,=,=", "t=1767225600,v1=" + "0," * 5_000, "WECHATPAY/SIGNTEST/", "WECHATPAY/SIGNTEST/\ud800"),
)


class Letter(NamedTuple):
    """A notification on its way."""

    body: bytes
    headers: Headers


def stripe_signed(body: bytes, at: int = NOW // 1000, secret: str = SECRET) -> Headers:
    """As Stripe's documentation has it."""
    made = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={made}"}


def event(kind: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """A notification of Stripe's."""
    return {"id": "evt_1", "object": "event", "type": kind, "created": NOW // 1000, "data": {"object": dict(about)}}


def _second(body: bytes) -> Any:
    """The JSON by another reader; of fields that are not ours even what is no text, or no number, can stand there."""
    return json.loads(body.decode(errors="replace"), parse_int=lambda digits: int(digits[:20]))


def said_by_stripe(body: bytes) -> tuple[str, int]:
    """Of which payment, and of how many fen; none, which no payment is of, for what is no amount in yuan."""
    told = _second(body)["data"]["object"]
    amount = told.get("amount_total", told.get("amount_received")) or 0
    return told["metadata"]["payment_id"], amount if told.get("currency") == "cny" and 0 <= amount <= MAX_AMOUNT else 0


def said_by_wechat(content: bytes) -> tuple[str, int]:
    """The same, of a merchant who is us."""
    told = _second(content)
    assert (told["mchid"], told["appid"], told["trade_state"]) == (wechat.MCHID, wechat.APPID, "SUCCESS")
    return told["out_trade_no"], told["amount"]["total"]


def said_by_alipay(body: bytes) -> tuple[str, int]:
    """The same."""
    told = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    assert (told["app_id"], told["seller_id"]) == (APP, SELLER)
    assert told["trade_status"] in ("TRADE_SUCCESS", "TRADE_FINISHED")
    return told["out_trade_no"], int(Decimal(told["total_amount"]) * 100)


STRIPE_EVENTS = {
    "session": event("checkout.session.completed", PAID_SESSION),
    "intent": event("payment_intent.succeeded", INTENT),
    "charge": event("charge.refunded", {**CHARGE, "amount_refunded": 880}),
    "refund": event("refund.updated", MADE),
}


def read(letter: Letter, by: Gateway, said: Callable[[], tuple[str, int]]) -> Notice | None:
    """The notice, which is sound, and if it is of a capture says what was said; None when it is Rejected."""
    try:
        told = by.read_notification(letter.body, letter.headers)
    except Rejected:
        return None
    assert_sound_notice(told)
    if told.kind == "captured":
        number, amount = said()
        assert (told.payment_id, told.amount) == (number, amount)
        assert type(amount) is int
    return told


@pytest.mark.parametrize("kind", STRIPE_EVENTS)
def test_stripe_signed_and_mutated(kind: str) -> None:
    """Every part of every event, left out, doubled, or replaced by what it should never be."""
    sound = 0
    for body in mutations(STRIPE_EVENTS[kind]):
        letter = Letter(body, stripe_signed(body))
        told = read(letter, STRIPE, lambda body=body: said_by_stripe(body))
        sound += told is not None
    assert sound > 0


def alipay_mutations() -> Iterator[dict[str, str | None]]:
    """The fields in turn left out, and replaced."""
    refund = {"refund_fee": "8.80", "gmt_refund": "2026-01-02 09:00:00.321"}
    for name in (*CAPTURE, *refund):
        for value in (None, *TEXTS):
            yield {**(refund if name in refund else {}), name: value}


def test_alipay_signed_and_mutated() -> None:
    """Every field left out, or replaced by what it should never be."""
    sound = 0
    for change in alipay_mutations():
        body = notice(**change)
        sound += read(Letter(body, {}), ALIPAY, lambda body=body: said_by_alipay(body)) is not None
    assert sound > 0


@pytest.mark.parametrize("kind", ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"])
def test_wechat_sealed_and_mutated(kind: str) -> None:
    """Every part of what is sealed; sealed and signed by the right keys all the same."""
    sound = 0
    for content in mutations(wechat.PAID if kind.startswith("TRANSACTION") else wechat.REFUNDED):
        body = wechat.notification(content, kind)
        letter = Letter(body, wechat.signed(body))
        sound += read(letter, WECHATPAY, lambda content=content: said_by_wechat(content)) is not None
    assert sound > 0


def test_wechat_signed_and_mutated() -> None:
    """Every part of the envelope, the sealing itself included."""
    envelope = json.loads(wechat.notification(wechat.PAID))
    sealed = json.dumps(wechat.PAID).encode()
    for body in mutations(envelope):
        read(Letter(body, wechat.signed(body)), WECHATPAY, lambda: said_by_wechat(sealed))


def letters() -> dict[str, tuple[Gateway, Letter]]:
    """A proper notification of each platform."""
    wechat_body = wechat.notification(wechat.PAID)
    stripe_body = dumped(STRIPE_EVENTS["session"])
    return {
        "alipay": (ALIPAY, Letter(notice(), {})),
        "wechatpay": (WECHATPAY, Letter(wechat_body, wechat.signed(wechat_body))),
        "stripe": (STRIPE, Letter(stripe_body, stripe_signed(stripe_body))),
    }


LETTERS = letters()
PLATFORMS = st.sampled_from(sorted(LETTERS))


@pytest.mark.parametrize("platform", ["wechatpay", "stripe"])
def test_headers_mutated(platform: str) -> None:
    """A header left out, replaced, lengthened or moved: Rejected, or the same notice."""
    by, letter = LETTERS[platform]
    proper = by.read_notification(*letter)
    for name, value in letter.headers.items():
        left = {other: text for other, text in letter.headers.items() if other != name}
        texts = (*HEADER_VALUES, value * 2, value[:-1], value + "=", value[::-1], value.swapcase(), *left.values())
        for headers in (left, *({**left, name: text} for text in texts), {**left, name.upper(): value}):
            told = read(Letter(letter.body, headers), by, lambda: (NUMBER, 8880))
            assert told in (None, proper)


@pytest.mark.parametrize("platform", LETTERS)
def test_signature_of_another(platform: str) -> None:
    """What a notification of another platform is signed with, or for, proves nothing here."""
    by, letter = LETTERS[platform]
    for _, other in LETTERS.values():
        if other is not letter:
            assert read(other, by, nothing) is None
            assert read(Letter(other.body, letter.headers), by, nothing) is None
    for headers in (other.headers for _, other in LETTERS.values() if other is not letter and letter.headers):
        assert read(Letter(letter.body, headers), by, nothing) is None


def nothing() -> tuple[str, int]:
    """No capture is to be told of at all."""
    raise AssertionError("it was believed")


@settings(max_examples=400)
@given(PLATFORMS, st.integers(0, 8_000), st.integers(0, 255), st.integers(0, 4))
def test_unsigned_and_spoilt(platform: str, at: int, byte: int, how: int) -> None:
    """A byte changed, added or lost on the way: never another notice than the one that was sent."""
    by, letter = LETTERS[platform]
    body = spoilt(letter.body, at, byte, how)
    try:
        told = by.read_notification(body, letter.headers)
    except Rejected:
        return
    proper = by.read_notification(*letter)
    # The last letter of a signature has bits that mean nothing.
    assert replace(told, raw={**told.raw, "sign": ""}) == replace(proper, raw={**proper.raw, "sign": ""})


@settings(max_examples=300)
@given(PLATFORMS, st.integers(0, 8_000), st.integers(0, 255), st.integers(0, 4))
def test_signed_and_spoilt(platform: str, at: int, byte: int, how: int) -> None:
    """The same, signed for what it is."""
    by, letter = LETTERS[platform]
    if platform == "stripe":
        body = spoilt(letter.body, at, byte, how)
        read(Letter(body, stripe_signed(body)), by, lambda: said_by_stripe(body))
    elif platform == "wechatpay":
        content = spoilt(json.dumps(wechat.PAID).encode(), at, byte, how)
        body = wechat.notification(content)
        read(Letter(body, wechat.signed(body)), by, lambda: said_by_wechat(content))
    else:
        subject = spoilt(b"tea", at, byte, how).decode("latin-1")
        body = notice(**{subject[:40]: "x"})
        read(Letter(body, {}), by, lambda: said_by_alipay(body))


@settings(max_examples=200)
@given(st.data())
def test_two_things_wrong(data: st.DataObject) -> None:
    """Two parts of an event at once."""
    message = STRIPE_EVENTS[data.draw(st.sampled_from(sorted(STRIPE_EVENTS)), label="event")]
    for _ in range(2):
        place = data.draw(st.sampled_from([*places(message)]), label="place")
        message = changed(message, place, data.draw(st.sampled_from(VALUES).map(Raw), label="value"))
    body = dumped(message)
    read(Letter(body, stripe_signed(body)), STRIPE, lambda: said_by_stripe(body))
