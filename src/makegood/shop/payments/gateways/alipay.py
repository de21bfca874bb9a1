"""Alipay (支付宝): payment by QR code or on Alipay's page, and what follows it.

Source: Alipay Open Platform: `alipay.trade.precreate`, `.page.pay`, `.query`, `.close`, `.refund`,
`.fastpay.refund.query`, `alipay.data.dataservice.bill.downloadurl.query`. `alipay.trade.cancel` is not used: it refunds
a trade that was paid in the meantime, behind the shop's back.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from http import HTTPStatus
from typing import Annotated

import httpx
import msgspec

from makegood.shop.payments.bill_days import begin_of, day_of_date
from makegood.shop.payments.gateways import alipay_bill, alipay_notification
from makegood.shop.payments.gateways.alipay_client import AlipayClient, AlipayKeys, AlipaySettings, Product
from makegood.shop.payments.gateways.alipay_text import beijing, fen, milliseconds, yuan
from makegood.shop.payments.gateways.port import (
    Answer,
    BillLine,
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
from makegood.shop.payments.gateways.wire import Request, Wire

__all__ = ["Alipay", "AlipayKeys", "AlipaySettings"]

_STATES: dict[str, TradeState] = {
    "WAIT_BUYER_PAY": "unpaid",
    "TRADE_SUCCESS": "paid",
    "TRADE_FINISHED": "paid",
    "TRADE_CLOSED": "closed",
}
_NO_TRADE = "ACQ.TRADE_NOT_EXIST"
_NO_BILL = "BILL_NOT_EXIST"
_CHANNELS: dict[Product, str] = {"precreate": "alipay", "page": "alipay_page"}
BILL_READY = 9 * 3_600_000
"""Milliseconds into the next day after which the bill of a day is there, as a rule."""
_UNFIT_FOR_SUBJECT = re.compile(r"[/=&\x00-\x1f]")


class _Precreated(msgspec.Struct, frozen=True):
    out_trade_no: str
    qr_code: Annotated[str, msgspec.Meta(pattern="^https?://")]


class _Queried(msgspec.Struct, frozen=True):
    out_trade_no: str
    trade_no: Annotated[str, msgspec.Meta(max_length=64)]
    trade_status: str
    total_amount: str
    send_pay_date: str = ""


class _Closed(msgspec.Struct, frozen=True):
    """Nothing but the success itself: Alipay may leave the rest out."""


class _Refunded(msgspec.Struct, frozen=True):
    out_trade_no: str
    fund_change: str = ""


class _RefundQueried(msgspec.Struct, frozen=True):
    out_request_no: str = ""
    refund_status: str = ""
    refund_amount: str = ""


class _BillMade(msgspec.Struct, frozen=True):
    bill_download_url: Annotated[str, msgspec.Meta(pattern="^https?://", max_length=4096)]


class Alipay:
    """The Alipay gateway. `clock` gives ms UTC; `compute` runs signatures off the event loop.

    `product` is how the buyer pays: "precreate" gives a QR code, "page" the address of Alipay's own page. A shop with
    several merchants gives each a `channel` of its own: small letters, digits and underscores, 32 at most. `keys` stand
    in for those of the settings.
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
        product: Product = "precreate",
        channel: str = "",
        keys: AlipayKeys | None = None,
    ) -> None:
        self.channel: str = channel or _CHANNELS[product]
        self.account: str = f"alipay:{settings.app_id}"
        self._product: Product = product
        self._settings = settings
        self._http = http
        self._clock = clock
        self._compute = compute
        self._client = AlipayClient(settings, http, clock, compute, keys)

    async def open(self, payment: OpenPayment) -> Opened:
        """Where the payment is made, payable until `expires_at`.

        The QR code's content is the same for the same payment; the page's address is signed here, and asks nobody.
        """
        content = {
            "out_trade_no": payment.payment_id,
            "total_amount": yuan(payment.amount),
            "subject": _UNFIT_FOR_SUBJECT.sub(" ", payment.subject)[:256],
            "time_expire": beijing(payment.expires_at),
        }
        if self._product == "page":
            content["product_code"] = "FAST_INSTANT_TRADE_PAY"
            back = self._settings.return_url
            return Opened(await self._client.address("alipay.trade.page.pay", content, payment.notify_url, back))
        answer = await self._client.call("alipay.trade.precreate", content, _Precreated, payment.notify_url)
        return Opened(answer.qr_code)

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """What became of the payment; Alipay knows no trade before the buyer has scanned the code, or signed in."""
        del trade_no
        check_payment_id(payment_id)
        try:
            answer = await self._client.call("alipay.trade.query", {"out_trade_no": payment_id}, _Queried)
        except GatewayRefused as refusal:
            if refusal.code == _NO_TRADE:
                return Trade("unknown_trade")
            raise
        if answer.out_trade_no != payment_id:
            raise GatewayUnavailable(f"alipay.trade.query: an answer that is not about {payment_id}: try again")
        try:
            return _trade(answer)
        except (KeyError, ValueError) as error:
            raise GatewayUnavailable(f"alipay.trade.query: not as documented: {error!r}") from error

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Closes an unpaid trade.

        A trade that Alipay does not know counts as closed: its signed word is that nothing was captured, and
        to wait for more would be to wait for ever, for it never learns of a code that nobody scanned. Until
        `expires_at` the code may still be scanned; that capture meets a cancelled order and is refunded like
        any late one.
        """
        del trade_no
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
        if answer.out_request_no not in ("", refund.refund_id):
            other = answer.out_request_no[:64]
            raise GatewayUnavailable(f"an answer about refund {other}, not {refund.refund_id}: try again")
        if answer.refund_status != "REFUND_SUCCESS":
            return False
        try:
            return fen(answer.refund_amount) == refund.amount
        except ValueError as error:
            raise GatewayUnavailable(f"alipay.trade.fastpay.refund.query: {error}") from error

    async def bill(self, day: date) -> list[BillLine]:
        """The day's bill, which is made in the morning after; that there is none by then says that nothing was done."""
        content = {"bill_type": "trade", "bill_date": day.isoformat()}
        ready = begin_of(day_of_date(day) + 1) + BILL_READY
        try:
            made = await self._client.call("alipay.data.dataservice.bill.downloadurl.query", content, _BillMade)
        except GatewayRefused as refusal:
            if not refusal.code.upper().replace("-", "_").endswith(_NO_BILL):
                raise
            if self._clock() < ready:
                raise GatewayUnavailable(f"the bill of {day} is not made yet: ask after {beijing(ready)}") from refusal
            return []
        packed = await self._download(made.bill_download_url)
        try:
            return await self._compute(partial(alipay_bill.read, packed))
        except alipay_bill.UnreadableBill as error:
            raise GatewayUnavailable(f"the bill of {day}: {error}") from error

    async def _download(self, url: str) -> bytes:
        """The bill itself, at an address that is good for half a minute."""

        async def build(address: str) -> Request:
            return Request("GET", address, {"accept-encoding": "identity"})

        wire = Wire(self._http, "Alipay's store of bills", [url], self._settings.bill_timeout)
        received = await wire.send(build, alipay_bill.MAX_ZIP)
        if received.status != HTTPStatus.OK:
            raise GatewayUnavailable(f"Alipay's store of bills answered HTTP {received.status}: try again")
        return received.body

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves and reads a notification: Alipay signs the form itself, its headers say nothing."""
        del headers
        settings = self._settings
        return alipay_notification.read(body, settings.app_id, settings.seller_id, self._client.platform_key)


def _trade(answer: _Queried) -> Trade:
    paid_at = milliseconds(answer.send_pay_date) if answer.send_pay_date else None
    return Trade(_STATES[answer.trade_status], answer.trade_no, fen(answer.total_amount), paid_at)
