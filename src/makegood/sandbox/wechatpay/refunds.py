"""Refunds: asked for, queried."""

from typing import Final

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.faults import Kind, Trouble
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import NewRefund, Refund, State, Trade

from .answers import Answer, refusal, success
from .merchant import Merchant, beijing_rfc3339
from .requests import CreateRefund, RefundDetails

SETTLES_MILLISECONDS: Final = 1000
ACCOUNT: Final = "支付用户零钱"


def refund(tx: Transaction, merchant: Merchant, trouble: Trouble, request: CreateRefund) -> Answer:
    """Gives back all or a part, once for each out_refund_no."""
    trade = _trade(tx, merchant, request)
    if trade is None:
        return refusal("RESOURCE_NOT_EXISTS")
    if known := trades.refund_numbered(tx, request.out_refund_no, trades.WECHATPAY):
        return _repeat(tx, merchant, known, trade, request)
    if trade.state(tx.now) is not State.PAID:
        return refusal("INVALID_REQUEST", "The order is not paid.")
    if request.amount.total != trade.amount:
        return refusal("INVALID_REQUEST", "amount.total is not what was paid.")
    if request.amount.refund > trade.amount - trade.refunded:
        return refusal("INVALID_REQUEST", "amount.refund is more than what is left to refund.")
    if trouble.happens(Kind.NOT_ENOUGH, trades.WECHATPAY, f"refund {request.out_refund_no}"):
        return refusal("NOT_ENOUGH")
    made = trades.give_back(tx, trade, _new(trouble, request))
    return success(described(merchant, trade, made, tx.now))


def query(tx: Transaction, merchant: Merchant, number: str) -> Answer:
    """How a refund stands."""
    found = trades.refund_numbered(tx, number, trades.WECHATPAY)
    return success(described(merchant, *found, tx.now)) if found else refusal("RESOURCE_NOT_EXISTS")


def described(merchant: Merchant, trade: Trade, made: Refund, now: int) -> dict[str, object]:
    """A refund as a query gives it."""
    fields: dict[str, object] = {
        "refund_id": merchant.refund_id(made),
        "out_refund_no": made.request_no,
        "transaction_id": merchant.transaction_id(trade),
        "out_trade_no": trade.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": ACCOUNT,
        "create_time": beijing_rfc3339(made.refunded_at),
        "status": made.status(now),
        "funds_account": "AVAILABLE",
        "amount": amounts(trade, made)
        | {"settlement_refund": made.amount, "settlement_total": trade.amount, "discount_refund": 0, "currency": "CNY"},
        "promotion_detail": [],
    }
    done = made.status(now) == trades.SUCCESS
    return fields | {"success_time": beijing_rfc3339(made.settles_at)} if done else fields


def amounts(trade: Trade, made: Refund) -> dict[str, int]:
    """What was paid and what is given back, in fen."""
    return {
        "total": trade.amount,
        "refund": made.amount,
        "payer_total": trade.amount,
        "payer_refund": made.amount,
    }


def _trade(tx: Transaction, merchant: Merchant, request: CreateRefund) -> Trade | None:
    if request.transaction_id:
        return merchant.by_transaction_id(tx, request.transaction_id)
    return trades.by_out_trade_no(tx, request.out_trade_no, trades.WECHATPAY)


def _repeat(
    tx: Transaction, merchant: Merchant, known: tuple[Trade, Refund], trade: Trade, request: CreateRefund
) -> Answer:
    if known[0].id != trade.id or known[1].amount != request.amount.refund:
        return refusal("INVALID_REQUEST", "That out_refund_no was used with other values: take a new one.")
    return success(described(merchant, *known, tx.now))


def _new(trouble: Trouble, request: CreateRefund) -> NewRefund:
    subject = f"refund {request.out_refund_no}"
    outcome = trades.SUCCESS
    if trouble.happens(Kind.REFUND_ABNORMAL, trades.WECHATPAY, subject):
        outcome = trades.ABNORMAL
    elif trouble.happens(Kind.REFUND_CLOSED, trades.WECHATPAY, subject):
        outcome = trades.CLOSED
    return NewRefund(
        request.out_refund_no,
        request.amount.refund,
        outcome,
        SETTLES_MILLISECONDS,
        msgspec.json.encode(RefundDetails(request.reason)).decode(),
        request.notify_url,
    )
