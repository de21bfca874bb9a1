"""WeChat Pay (微信支付), API v3: payment by QR code (native) or in a phone's browser (h5), and what follows it.

Source: WeChat Pay merchant documentation, API v3: `/v3/pay/transactions/native` and `/h5`, query and close by
`out-trade-no`, `/v3/refund/domestic/refunds`, `/v3/bill/tradebill`.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Annotated
from urllib.parse import quote

import httpx
import msgspec

from makegood.shop.payments.gateways import wechatpay_bill, wechatpay_notification
from makegood.shop.payments.gateways.port import (
    MAX_AMOUNT,
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
    RefundStatus,
    Trade,
    TradeState,
    check_payment_id,
)
from makegood.shop.payments.gateways.wechatpay_client import WechatPayClient
from makegood.shop.payments.gateways.wechatpay_settings import Product, WechatPaySettings
from makegood.shop.payments.gateways.wechatpay_text import milliseconds, rfc3339

__all__ = ["WechatPay", "WechatPaySettings"]

_TRANSACTIONS = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
_STATES: dict[str, TradeState] = {
    "SUCCESS": "paid",
    # Also after a part was refunded. We do not ask about what we know to be paid, so it was somebody else's refund.
    "REFUND": "closed",
    "NOTPAY": "unpaid",
    "USERPAYING": "unpaid",
    "ACCEPT": "unpaid",
    "PAYERROR": "unpaid",
    "CLOSED": "closed",
    "REVOKED": "closed",
}
_REFUND_STATES: dict[str, RefundStatus] = {
    "SUCCESS": "succeeded",
    "PROCESSING": "processing",
    "ABNORMAL": "abnormal",
    "CLOSED": "failed",
}
_ABNORMAL = "the buyer's card or account takes no money: settle it in the merchant platform, under refunds (退款异常)"
_NO_ORDER = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
_CLOSED = frozenset({"ORDER_CLOSED", "ORDERCLOSED"})
_PAID = frozenset({"ORDERPAID", "ORDER_PAID"})
_REFUND_FAILS = frozenset({"INVALID_REQUEST", "RESOURCE_NOT_EXISTS", "USER_ACCOUNT_ABNORMAL", "REFUND_FEE_MISMATCH"})
_LATER = "稍后"
_NO_BILL = "NO_STATEMENT_EXIST"
_BILL_MAKING = "STATEMENT_CREATING"
_CHANNELS: dict[Product, str] = {"native": "wechatpay", "h5": "wechatpay_h5"}
_URL = msgspec.Meta(pattern="^(weixin|https?)://", max_length=4096)


class _Native(msgspec.Struct, frozen=True):
    code_url: Annotated[str, _URL]


class _H5(msgspec.Struct, frozen=True):
    h5_url: Annotated[str, _URL]


class _Amount(msgspec.Struct, frozen=True):
    total: Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]


class _Queried(msgspec.Struct, frozen=True):
    out_trade_no: str
    mchid: str
    trade_state: str
    transaction_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    success_time: str = ""
    amount: _Amount = _Amount(0)


class _RefundAmount(msgspec.Struct, frozen=True):
    refund: int


class _Refunded(msgspec.Struct, frozen=True):
    out_refund_no: str
    out_trade_no: str
    status: str
    amount: _RefundAmount


class _Bill(msgspec.Struct, frozen=True):
    hash_value: str
    download_url: str


class WechatPay:
    """The WeChat Pay gateway. `clock` gives ms UTC, `nonce` a text nobody can guess; `compute` runs signatures.

    `product` is how the buyer pays: "native" gives the content of a QR code, "h5" the address of a page for a phone's
    browser. A shop with several merchants gives each a `channel` of its own.
    """

    accepted = Answer(200, "application/json", b'{"code":"SUCCESS","message":"OK"}')
    rejected = Answer(400, "application/json", b'{"code":"FAIL","message":"not taken"}')

    def __init__(
        self,
        settings: WechatPaySettings,
        http: httpx.AsyncClient,
        clock: Callable[[], int],
        compute: Compute,
        nonce: Callable[[], str],
        *,
        product: Product = "native",
        channel: str = "",
    ) -> None:
        self.channel: str = channel or _CHANNELS[product]
        self.account: str = f"wechatpay:{settings.mchid}"
        self._product: Product = product
        self._settings = settings
        self._clock = clock
        self._compute = compute
        self._client = WechatPayClient(settings, http, clock, compute, nonce)

    async def open(self, payment: OpenPayment) -> Opened:
        """Where the payment is made, payable until `expires_at`; an h5 payment must say the buyer's address."""
        order: dict[str, object] = {
            "appid": self._settings.appid,
            "mchid": self._settings.mchid,
            "description": payment.subject[:127],
            "out_trade_no": payment.payment_id,
            "time_expire": rfc3339(payment.expires_at),
            "notify_url": payment.notify_url,
            "amount": {"total": payment.amount, "currency": "CNY"},
        }
        if self._product == "native":
            return Opened((await self._client.post(f"{_TRANSACTIONS}/native", order, _Native)).code_url)
        if not payment.client_ip:
            raise GatewayRefused(
                "NO_CLIENT_IP", "h5 needs the buyer's address", "set [web] client-ip-header if a proxy hides it"
            )
        order["scene_info"] = {"payer_client_ip": payment.client_ip, "h5_info": {"type": "Wap"}}
        opened = await self._client.post(f"{_TRANSACTIONS}/h5", order, _H5)
        return Opened(_returning(opened.h5_url, self._settings.return_url))

    async def query(self, payment_id: str, trade_no: str = "") -> Trade:
        """What became of the payment."""
        del trade_no
        check_payment_id(payment_id)
        target = f"{_TRANSACTIONS}/out-trade-no/{payment_id}?mchid={self._settings.mchid}"
        try:
            answer = await self._client.get(target, _Queried)
        except GatewayRefused as refusal:
            if refusal.code in _NO_ORDER:
                return Trade("unknown_trade")
            raise
        if (answer.out_trade_no, answer.mchid) != (payment_id, self._settings.mchid):
            raise GatewayUnavailable(f"an answer about {answer.out_trade_no[:64]}, not {payment_id}: try again")
        try:
            return _trade(answer)
        except (KeyError, ValueError) as error:
            raise GatewayUnavailable(f"query of {payment_id}: not as documented: {error!r}") from error

    async def close(self, payment_id: str, trade_no: str = "") -> Closing:
        """Closes an unpaid order; one that WeChat Pay does not know was never opened, and counts as closed."""
        del trade_no
        check_payment_id(payment_id)
        target = f"{_TRANSACTIONS}/out-trade-no/{payment_id}/close"
        try:
            await self._client.tell(target, {"mchid": self._settings.mchid})
        except GatewayRefused as refusal:
            if refusal.code in _NO_ORDER | _CLOSED:
                return "closed"
            if refusal.code in _PAID:
                return "paid"
            return await self._why_not_closed(payment_id, refusal)
        return "closed"

    async def _why_not_closed(self, payment_id: str, refusal: GatewayRefused) -> Closing:
        trade = await self.query(payment_id)
        if trade.state == "paid" or trade.paid_at is not None:
            return "paid"
        if trade.state == "closed":
            return "closed"
        if refusal.code == "INVALID_REQUEST":  # the buyer is paying just now
            return "unknown"
        raise refusal

    async def refund(self, refund: RefundPayment) -> RefundState:
        """Refunds once for each refund number; a repeat tells where the first stands.

        Raises GatewayUnavailable too while the merchant's account holds too little: topped up, a repeat succeeds.
        """
        content = {
            "out_trade_no": refund.payment_id,
            "out_refund_no": refund.refund_id,
            "reason": refund.reason[:80],
            "notify_url": refund.notify_url,
            "amount": {"refund": refund.amount, "total": refund.captured, "currency": "CNY"},
        }
        given = {name: value for name, value in content.items() if value}
        try:
            answer = await self._client.post(_REFUNDS, given, _Refunded)
        except GatewayRefused as refusal:
            return await self._refused_refund(refund, refusal)
        state = _refund_state(refund, answer)
        return state if state.status == "succeeded" else await self._standing(refund) or state

    async def _refused_refund(self, refund: RefundPayment, refusal: GatewayRefused) -> RefundState:
        """A refund may be refused for it is done, its first answer lost: look before calling it failed."""
        if refusal.code == "NOT_ENOUGH":
            raise GatewayUnavailable(str(refusal)) from refusal
        if refusal.code not in _REFUND_FAILS:
            raise refusal
        if known := await self._standing(refund):
            return known
        if _LATER in refusal.detail:
            raise GatewayUnavailable(str(refusal)) from refusal
        return RefundState("failed", str(refusal))

    async def _standing(self, refund: RefundPayment) -> RefundState | None:
        """Where the refund of this number stands, None when there is none."""
        try:
            answer = await self._client.get(f"{_REFUNDS}/{refund.refund_id}", _Refunded)
        except GatewayRefused as refusal:
            if refusal.code in _NO_ORDER:
                return None
            raise
        return _refund_state(refund, answer)

    async def bill(self, day: date) -> list[BillLine]:
        """The day's bill, which is made in the morning after; that there is none says that nothing was done."""
        try:
            made = await self._client.get(f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL", _Bill)
        except GatewayRefused as refusal:
            if refusal.code == _NO_BILL:
                return []
            if refusal.code == _BILL_MAKING:
                raise GatewayUnavailable(f"the bill of {day} is being made: ask after 10:00 in China") from refusal
            raise
        text = await self._client.download(made.download_url, made.hash_value)
        try:
            return await self._compute(partial(wechatpay_bill.read, text))
        except wechatpay_bill.UnreadableBill as error:
            raise GatewayUnavailable(f"the bill of {day}: {error}") from error

    def read_notification(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Proves, opens and reads a notification."""
        addressee = wechatpay_notification.Addressee(self._settings.mchid, self._settings.appid)
        return wechatpay_notification.read(body, headers, addressee, self._client.keys, self._clock())


def _trade(answer: _Queried) -> Trade:
    paid_at = milliseconds(answer.success_time) if answer.success_time else None
    captured = answer.amount.total and answer.transaction_id and paid_at is not None
    if answer.trade_state in ("SUCCESS", "REFUND") and not captured:
        raise ValueError(f"{answer.trade_state} without amount, success_time and transaction_id")
    return Trade(_STATES[answer.trade_state], answer.transaction_id, answer.amount.total, paid_at)


def _refund_state(refund: RefundPayment, answer: _Refunded) -> RefundState:
    if (answer.out_refund_no, answer.out_trade_no) != (refund.refund_id, refund.payment_id):
        raise GatewayUnavailable(f"an answer about refund {answer.out_refund_no[:64]}, not {refund.refund_id}")
    if answer.amount.refund != refund.amount:
        return RefundState("failed", f"refund number {refund.refund_id} was used for {answer.amount.refund} fen")
    status = _REFUND_STATES.get(answer.status)
    if status is None:
        raise GatewayUnavailable(f"refund {refund.refund_id}: status {answer.status[:40]!r} is not documented")
    return RefundState(status, _ABNORMAL if status == "abnormal" else "" if status == "succeeded" else answer.status)


def _returning(url: str, back: str) -> str:
    """The address of the h5 page, from which the browser comes back."""
    if not back:
        return url
    return f"{url}{'&' if '?' in url else '?'}redirect_url={quote(back, safe='')}"
