"""Alipay (支付宝): payment by QR code, `alipay.trade.precreate`, and what follows it.

Source: Alipay Open Platform: `alipay.trade.precreate`, `.query`, `.close`, `.refund`,
`.fastpay.refund.query`. `alipay.trade.cancel` is not used: it refunds a trade that was paid in the meantime,
behind the shop's back.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated

import httpx
import msgspec

from makegood.shop.payments.gateways import alipay_notification
from makegood.shop.payments.gateways.alipay_client import AlipayClient, AlipayKeys, AlipaySettings
from makegood.shop.payments.gateways.alipay_text import beijing, fen, milliseconds, yuan
from makegood.shop.payments.gateways.port import (
    Answer,
    Closing,
    Compute,
    GatewayRefused,
    GatewayUnavailable,
    Notice,
    Opened,
    OpenPayment,
    RefundPayment,
    RefundState,
    Trade,
    TradeState,
    check_payment_id,
)

__all__ = ["Alipay", "AlipayKeys", "AlipaySettings"]

_STATES: dict[str, TradeState] = {
    "WAIT_BUYER_PAY": "unpaid",
    "TRADE_SUCCESS": "paid",
    "TRADE_FINISHED": "paid",
    "TRADE_CLOSED": "closed",
}
_NO_TRADE = "ACQ.TRADE_NOT_EXIST"
_UNFIT_FOR_SUBJECT = re.compile(r"[/=&\x00-\x1f]")


class _Precreated(msgspec.Struct, frozen=True):
    out_trade_no: str
    qr_code: Annotated[str, msgspec.Meta(pattern="^https?://")]


class _Queried(msgspec.Struct, frozen=True):
    out_trade_no: str
    trade_no: str
    trade_status: str
    total_amount: str
    send_pay_date: str = ""


class _Closed(msgspec.Struct, frozen=True):
    """Nothing but the success itself: Alipay may leave the rest out."""


class _Refunded(msgspec.Struct, frozen=True):
    out_trade_no: str
    fund_change: str = ""


class _RefundQueried(msgspec.Struct, frozen=True):
    refund_status: str = ""
    refund_amount: str = ""


class Alipay:
    """The Alipay gateway. `clock` gives ms UTC; `compute` runs signatures off the event loop.

    A shop with several merchants gives each a `channel` of its own: small letters, digits and underscores, 32 at most.
    `keys` stand in for those of the settings.
    """

    accepted = Answer(200, "text/plain; charset=utf-8", b"success")
    rejected = Answer(400, "text/plain; charset=utf-8", b"failure")

    def __init__(
        self,
        settings: AlipaySettings,
        http: httpx.AsyncClient,
        clock: Callable[[], int],
        compute: Compute,
        *,
        channel: str = "alipay",
        keys: AlipayKeys | None = None,
    ) -> None:
        self.channel: str = channel
        self._settings = settings
        self._client = AlipayClient(settings, http, clock, compute, keys)

    async def open(self, payment: OpenPayment) -> Opened:
        """The QR code's content, the same for the same payment, and payable until `expires_at`."""
        content = {
            "out_trade_no": payment.payment_id,
            "total_amount": yuan(payment.amount),
            "subject": _UNFIT_FOR_SUBJECT.sub(" ", payment.subject)[:256],
            "time_expire": beijing(payment.expires_at),
        }
        answer = await self._client.call("alipay.trade.precreate", content, _Precreated, payment.notify_url)
        return Opened(answer.qr_code)

    async def query(self, payment_id: str) -> Trade:
        """What became of the payment; Alipay knows no trade before the buyer has scanned the code."""
        check_payment_id(payment_id)
        try:
            answer = await self._client.call("alipay.trade.query", {"out_trade_no": payment_id}, _Queried)
        except GatewayRefused as refusal:
            if refusal.code == _NO_TRADE:
                return Trade("unknown_trade")
            raise
        try:
            return _trade(answer)
        except (KeyError, ValueError) as error:
            raise GatewayUnavailable(f"alipay.trade.query: not as documented: {error!r}") from error

    async def close(self, payment_id: str) -> Closing:
        """Closes an unpaid trade.

        A trade that Alipay does not know counts as closed: its signed word is that nothing was captured, and
        to wait for more would be to wait for ever, for it never learns of a code that nobody scanned. Until
        `expires_at` the code may still be scanned; that capture meets a cancelled order and is refunded like
        any late one.
        """
        check_payment_id(payment_id)
        try:
            await self._client.call("alipay.trade.close", {"out_trade_no": payment_id}, _Closed)
        except GatewayRefused as refusal:
            if refusal.code == _NO_TRADE:
                return "closed"
            if not refusal.code.startswith("ACQ."):
                raise
            return await self._why_not_closed(payment_id)
        return "closed"

    async def _why_not_closed(self, payment_id: str) -> Closing:
        trade = await self.query(payment_id)
        if trade.state == "paid" or trade.paid_at is not None:
            return "paid"
        return "closed" if trade.state == "closed" else "unknown"

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Refunds once for each refund number; a repeat tells where the first stands.

        Raises GatewayUnavailable too while the merchant's account holds too little: topped up, a repeat
        succeeds.
        """
        content = {
            "out_trade_no": refund.payment_id,
            "out_request_no": refund.refund_id,
            "refund_amount": yuan(refund.amount),
            "refund_reason": refund.reason[:256],
        }
        try:
            answer = await self._client.call("alipay.trade.refund", content, _Refunded)
        except GatewayRefused as refusal:
            return await self._refused_refund(refund, refusal)
        if answer.fund_change == "Y" or await self._is_refunded(refund):
            return RefundState("succeeded")
        return RefundState("processing", "Alipay took the refund and has moved no money yet")

    async def _refused_refund(self, refund: RefundPayment, refusal: GatewayRefused) -> RefundState:
        """A refund may be refused for it is done, its first answer lost: look before calling it failed."""
        if not refusal.code.startswith("ACQ."):
            raise refusal
        if await self._is_refunded(refund):
            return RefundState("succeeded")
        if refusal.code == "ACQ.SELLER_BALANCE_NOT_ENOUGH":
            raise GatewayUnavailable(f"{refusal}; top up the merchant's account") from refusal
        return RefundState("failed", str(refusal))

    async def _is_refunded(self, refund: RefundPayment) -> bool:
        content = {"out_trade_no": refund.payment_id, "out_request_no": refund.refund_id}
        try:
            answer = await self._client.call("alipay.trade.fastpay.refund.query", content, _RefundQueried)
        except GatewayRefused as refusal:
            if refusal.code == _NO_TRADE:
                return False
            raise
        if answer.refund_status != "REFUND_SUCCESS":
            return False
        try:
            return fen(answer.refund_amount) == refund.amount
        except ValueError as error:
            raise GatewayUnavailable(f"alipay.trade.fastpay.refund.query: {error}") from error

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves and reads a notification: Alipay signs the form itself, its headers say nothing."""
        del headers
        settings = self._settings
        return alipay_notification.read(body, settings.app_id, settings.seller_id, self._client.platform_key)


def _trade(answer: _Queried) -> Trade:
    paid_at = milliseconds(answer.send_pay_date) if answer.send_pay_date else None
    return Trade(_STATES[answer.trade_status], answer.trade_no, fen(answer.total_amount), paid_at)
