"""Asynchronous notifications: a signed form, answered by exactly `success`, or sent again on the ladder."""

import json
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from makegood.sandbox.faults import Kind
from makegood.sandbox.letters import Letter, Moments
from makegood.sandbox.notifications import Due

from .amounts import yuan
from .merchant import BUYER_ID, BUYER_LOGON_ID, Merchant, beijing_time
from .signing import Signer, signed_content

MINUTE: Final = 60_000
STALE: Final = 24 * 60 * MINUTE
_NOT_SIGNED: Final = frozenset({"sign", "sign_type"})


class Notices:
    """How Alipay notifies a merchant."""

    ladder: tuple[int, ...] = tuple(minutes * MINUTE for minutes in (4, 10, 10, 60, 120, 360, 900))
    timeout: float = 5.0
    content_type: str = "application/x-www-form-urlencoded; charset=utf-8"
    twists: frozenset[Kind] = frozenset({Kind.STALE, Kind.TAMPER, Kind.WRONG_AMOUNT})

    def __init__(self, merchant: Merchant, signer: Signer) -> None:
        self._merchant = merchant
        self._signer = signer
        self._headers = {"Content-Type": self.content_type}

    async def compose(self, due: Due, now: int) -> bytes:
        """The body of an attempt made now (virtual milliseconds UTC)."""
        fields = self._fields(due, now)
        fields["sign"] = await self._signer.sign(signed_content(fields, _NOT_SIGNED))
        fields["sign_type"] = "RSA2"
        return urlencode(fields).encode()

    async def write(self, due: Due, moments: Moments, twist: str = "") -> Letter:
        """The letter of an attempt; with a twist it is false in that way."""
        if not twist:
            return Letter(due.url, self._headers, await self.compose(due, moments.now))
        now = moments.now - STALE if twist == Kind.STALE else moments.now
        fields = self._fields(due, now)
        if twist == Kind.WRONG_AMOUNT:
            fields |= dict.fromkeys(("total_amount", "receipt_amount", "buyer_pay_amount"), _other(due.trade.amount))
            fields["notify_id"] = "9" + fields["notify_id"][1:]
        fields["sign"] = await self._signer.sign(signed_content(fields, _NOT_SIGNED))
        if twist == Kind.TAMPER:
            fields["total_amount"] = _other(due.trade.amount)
        return Letter(due.url, self._headers, urlencode(fields | {"sign_type": "RSA2"}).encode())

    def accepts(self, status: int, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder."""
        return status == HTTPStatus.OK and answer == b"success"

    def identify(self, due: Due) -> str:
        """The notification's number, the same at every attempt."""
        return self._merchant.notify_id(due.notification.created_at, due.notification.id)

    def _fields(self, due: Due, now: int) -> dict[str, str]:
        trade, account, amount = due.trade, self._merchant.account, yuan(due.trade.amount)
        fields = {
            "app_id": account.app_id,
            "auth_app_id": account.app_id,
            "charset": "utf-8",
            "version": "1.0",
            "notify_type": "trade_status_sync",
            "notify_id": self.identify(due),
            "notify_time": beijing_time(now),
            "trade_no": self._merchant.trade_no(trade),
            "out_trade_no": trade.out_trade_no,
            "trade_status": "TRADE_SUCCESS",
            "total_amount": amount,
            "receipt_amount": amount,
            "invoice_amount": amount,
            "buyer_pay_amount": amount,
            "point_amount": "0.00",
            "buyer_id": BUYER_ID,
            "buyer_logon_id": BUYER_LOGON_ID,
            "seller_id": account.seller_id,
            "subject": trade.subject,
            "gmt_create": beijing_time(trade.opened_at or trade.created_at),
            "gmt_payment": beijing_time(trade.paid_at or 0),
            "fund_bill_list": json.dumps([{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}], separators=(",", ":")),
        }
        return fields | ({"body": trade.body} if trade.body else {}) | _refund_fields(due)


def _other(amount: int) -> str:
    """Another amount than that, for a notification that must not be believed."""
    return yuan(1 if amount != 1 else 2)


def _refund_fields(due: Due) -> dict[str, str]:
    """What a refund adds: `refund_fee` is the sum of the trade's refunds, and the last one closes it."""
    refund = due.refund
    if refund is None:
        return {}
    fields = {
        "out_biz_no": refund.request_no,
        "refund_fee": yuan(refund.total),
        "gmt_refund": f"{beijing_time(refund.refunded_at)}.{refund.refunded_at % 1000:03d}",
    }
    if refund.total == due.trade.amount:
        fields |= {"trade_status": "TRADE_CLOSED", "gmt_close": beijing_time(refund.refunded_at)}
    return fields
