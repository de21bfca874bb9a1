"""Callbacks at the service itself, signed by the platform and absurd: answered, stored or listed, and no false success.

The adapters are the real ones, and so is the database; what an operator is shown afterwards can be shown.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import httpx
import pytest

from makegood.engine.deadline import Deadline
from makegood.engine.executor import InlineExecutor
from makegood.shop.payments import contracts
from makegood.shop.payments.gateways.alipay import Alipay
from makegood.shop.payments.gateways.port import Gateway
from makegood.shop.payments.gateways.stripe import Stripe
from makegood.shop.payments.gateways.wechatpay import WechatPay
from makegood.shop.payments.service import Payments
from makegood.shop.payments.tables import PAYMENTS, PaymentRow
from makegood.times import rfc3339
from tests.support.mutated import TEXTS, dumped, mutations
from tests.unit.gateways import platform, wechat
from tests.unit.gateways.test_fuzz_notifications import (
    STRIPE_EVENTS,
    said_by_alipay,
    said_by_stripe,
    said_by_wechat,
    stripe_signed,
)
from tests.unit.gateways.test_stripe import own as own_stripe
from tests.unit.payments.desk import NOW, Desk

AMOUNT, ORDER = 8880, 7
HTTP = httpx.AsyncClient()
GATEWAYS: dict[str, Gateway] = {
    "alipay": Alipay(platform.settings(), HTTP, lambda: platform.NOW, InlineExecutor().run),
    "wechatpay": WechatPay(wechat.own(), HTTP, lambda: platform.NOW, InlineExecutor().run, lambda: "nonce"),
    "stripe": Stripe(own_stripe(), HTTP, lambda: platform.NOW, "https://shop.test/"),
}


class Letter(NamedTuple):
    """A callback, and what it says of a capture by another reader: of which payment, and of how many fen."""

    body: bytes
    headers: Mapping[str, str]
    said: Callable[[], tuple[str, int]]


def from_alipay() -> Iterator[Letter]:
    """Every field of a capture, and of a refund, replaced."""
    fields = ("out_trade_no", "total_amount", "trade_no", "notify_id", "gmt_payment", "trade_status", "refund_fee")
    for at, name in enumerate((*fields, "gmt_refund", "app_id", "seller_id", "subject")):
        for text in (None, *TEXTS[at % 2 :: 2]):
            body = platform.notice(**{"out_trade_no": wechat.NUMBER, name: text})
            yield Letter(body, {}, lambda body=body: said_by_alipay(body))


def from_wechat() -> Iterator[Letter]:
    """Every part of what is sealed."""
    for content in mutations(wechat.PAID, share=8):
        body = wechat.notification(content)
        yield Letter(body, wechat.signed(body), lambda content=content: said_by_wechat(content))


def from_stripe() -> Iterator[Letter]:
    """Every part of every event."""
    for event in STRIPE_EVENTS.values():
        for body in mutations(event, share=24):
            yield Letter(body, stripe_signed(body), lambda body=body: said_by_stripe(body))


LETTERS = {"alipay": from_alipay, "wechatpay": from_wechat, "stripe": from_stripe}


def desk_with(channel: str) -> Desk:
    """A payments service with an open payment."""
    desk = Desk()
    desk.gateways = GATEWAYS
    desk.service = Payments(desk.settings, GATEWAYS)
    desk.service.engine = desk
    row = PaymentRow(
        payment_id=int(wechat.NUMBER),
        order_id=ORDER,
        user="alice",
        channel=channel,
        amount=AMOUNT,
        state="OPEN",
        open_key=f"{ORDER}:{channel}",
        pay_url="https://pay.test/",
        created_at=NOW,
        expires_at=NOW + 900_000,
        changed_at=NOW,
        due_at=NOW + 60_000,
        asked=0,
        captured=0,
        captured_at=None,
        told_by=None,
        notify_id="",
        trade_no="",
    )
    desk.commit(lambda tx: tx.insert(PAYMENTS, [row]))
    return desk


@pytest.mark.parametrize("channel", LETTERS)
async def test_absurd_callbacks(channel: str) -> None:
    """Each is answered as the platform wants it, and pays only what it says was paid for this payment, in full."""
    gateway, answers, paid = GATEWAYS[channel], set[int](), 0
    for letter in LETTERS[channel]():
        desk = desk_with(channel)
        notify = contracts.Notify(channel, letter.body, dict(letter.headers))
        told = await desk.service.notify(notify, Deadline.after(5))
        assert told.body in (gateway.accepted.body, gateway.rejected.body)
        answers.add(told.status)
        payment = desk.payment(int(wechat.NUMBER))
        if payment.state == "PAID":
            assert letter.said() == (wechat.NUMBER, AMOUNT)
            assert [event.amount for event in desk.said(contracts.Succeeded)] == [AMOUNT]
            paid += 1
        else:
            assert desk.published == []
        _show(desk)
    assert answers == {200, 400}
    assert paid > 0


def _show(desk: Desk) -> None:
    """What operators look at."""
    service, read = desk.service, desk.database.read
    [trail] = read(lambda reader: service.trail(reader, [contracts.TrailOfOrder(ORDER)]))
    assert all(rfc3339(one.occurred_at) for one in trail.payments[0].notifications)
    [breaks] = read(lambda reader: service.list_breaks(reader, [contracts.ListBreaks()]))
    [refused] = read(lambda reader: service.list_refusals(reader, [contracts.ListRefusedNotices()]))
    assert dumped([str(one) for one in (*breaks.breaks, *refused.notices)])
