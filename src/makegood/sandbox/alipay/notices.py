"""Asynchronous notifications: a signed form, answered by exactly `success`, or sent again on the ladder."""

import json
from typing import Final
from urllib.parse import urlencode

from makegood.sandbox.notifications import Due

from .amounts import yuan
from .merchant import BUYER_ID, BUYER_LOGON_ID, Merchant, beijing_time
from .signing import Signer, signed_content

MINUTE: Final = 60_000
_NOT_SIGNED: Final = frozenset({"sign", "sign_type"})


class Notices:
    """How Alipay notifies a merchant."""

    ladder: tuple[int, ...] = tuple(minutes * MINUTE for minutes in (4, 10, 10, 60, 120, 360, 900))
    content_type: str = "application/x-www-form-urlencoded; charset=utf-8"

    def __init__(self, merchant: Merchant, signer: Signer) -> None:
        self._merchant = merchant
        self._signer = signer

    async def compose(self, due: Due, now: int) -> bytes:
        """The body of an attempt made now (virtual milliseconds UTC)."""
        fields = self._fields(due, now)
        fields["sign"] = await self._signer.sign(signed_content(fields, _NOT_SIGNED))
        fields["sign_type"] = "RSA2"
        return urlencode(fields).encode()

    def accepts(self, answer: bytes) -> bool:
        """Whether the merchant's answer ends the ladder."""
        return answer == b"success"

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
