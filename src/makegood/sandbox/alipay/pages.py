"""alipay.trade.page.pay and alipay.trade.wap.pay: requests that a browser makes, and is led to the cashier by."""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.calls import Reply
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import Trade

from . import requests
from .amounts import fen, yuan
from .answers import Answer, refusal, success
from .expiry import expiry
from .merchant import Merchant, beijing_time
from .payments import Caller, repeated
from .signing import Signer, signed_content

PRODUCTS: Final = {"alipay.trade.page.pay": "page", "alipay.trade.wap.pay": "wap"}


def open_page(tx: Transaction, caller: Caller, request: requests.PagePay, *, product: str, return_url: str) -> Answer:
    """Makes the trade when the browser arrives; one that is there already is paid further."""
    amount = fen(request.total_amount)
    if amount is None:
        return refusal("ACQ.INVALID_PARAMETER", "total_amount must be 0.01 to 100000000 yuan, in whole fen.")
    if known := trades.by_out_trade_no(tx, request.out_trade_no):
        return repeated(tx, known, amount, caller.cashier)
    ends = expiry(tx.now, [request.timeout_express], request.time_expire, caller.ahead)
    if ends is None:
        return refusal("ACQ.INVALID_PARAMETER", "The expiry is malformed, past, or further off than 15 days.")
    new = trades.NewTrade(
        code=tx.new_token(),
        out_trade_no=request.out_trade_no,
        amount=amount,
        subject=request.subject,
        body=request.body,
        notify_url=caller.notify_url,
        expires_at=ends,
        product=product,
        details=msgspec.json.encode(requests.PageDetails(return_url)).decode(),
    )
    made = trades.create(tx, new)
    return success(qr_code=caller.cashier + made.code) if made else refusal("ACQ.SYSTEM_ERROR")


def led(answer: Answer) -> Reply:
    """What a browser is told: where the cashier is, or why it cannot pay."""
    where = answer.get("qr_code")
    if isinstance(where, str):
        return Reply(HTTPStatus.FOUND, "text/plain", b"", (("Location", where), ("Cache-Control", "no-store")))
    code, hint = html.escape(str(answer["sub_code"])), html.escape(str(answer["sub_msg"]))
    page = f'<!doctype html><html lang="en"><title>Cannot pay</title><h1>Cannot pay</h1><p>{code}: {hint}</p></html>'
    return Reply(
        HTTPStatus.OK,
        "text/html; charset=utf-8",
        page.encode(),
        (("Content-Security-Policy", "default-src 'none'"), ("Cache-Control", "no-store")),
    )


async def way_back(merchant: Merchant, signer: Signer, trade: Trade, now: int) -> str:
    """The return_url with what the platform says of a payment there, signed; nothing when the merchant gave none."""
    url = msgspec.json.decode(trade.details or "{}", type=requests.PageDetails).return_url
    if not url:
        return ""
    fields: Mapping[str, str] = {
        "charset": "utf-8",
        "out_trade_no": trade.out_trade_no,
        "method": f"alipay.trade.{trade.product}.pay.return",
        "total_amount": yuan(trade.amount),
        "trade_no": merchant.trade_no(trade),
        "auth_app_id": merchant.account.app_id,
        "app_id": merchant.account.app_id,
        "version": "1.0",
        "seller_id": merchant.account.seller_id,
        "timestamp": beijing_time(now),
    }
    sign = await signer.sign(signed_content(fields, frozenset()))
    return f"{url}{'&' if '?' in url else '?'}{urlencode({**fields, 'sign_type': 'RSA2', 'sign': sign})}"
