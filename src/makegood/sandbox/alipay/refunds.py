"""alipay.trade.refund and alipay.trade.fastpay.refund.query."""

from makegood.sandbox import trades
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import State, Trade

from . import requests
from .amounts import fen, yuan
from .answers import Answer, refusal, success
from .merchant import Merchant, beijing_time
from .payments import Caller, find, identity


def refund(tx: Transaction, caller: Caller, request: requests.Refund) -> Answer:
    """Gives back all or a part, once for each out_request_no (without one: the whole amount, once)."""
    amount = fen(request.refund_amount)
    if amount is None:
        return refusal("ACQ.INVALID_PARAMETER", "refund_amount must be at least 0.01 yuan, in whole fen.")
    trade = find(tx, caller.merchant, request)
    if trade is None:
        return refusal("ACQ.TRADE_NOT_EXIST")
    number = request.out_request_no or trade.out_trade_no
    if done := trades.find_refund(tx, trade, number):
        return _repeat(caller.merchant, trade, done, amount)
    if sub_code := _forbidden(tx, trade, amount, numbered=request.out_request_no is not None):
        return refusal(sub_code)
    made = trades.refund(tx, trade, number, amount)
    return _answer(caller.merchant, trade, made, made.total, changed=True)


def query_refund(tx: Transaction, caller: Caller, request: requests.RefundQuery) -> Answer:
    """Whether a refund was made; of one that was not, the answer is a success that says nothing about it."""
    trade = find(tx, caller.merchant, request)
    if trade is None:
        return refusal("ACQ.TRADE_NOT_EXIST")
    made = trades.find_refund(tx, trade, request.out_request_no)
    if made is None:
        return success()
    fields: dict[str, object] = {
        "trade_no": caller.merchant.trade_no(trade),
        "out_trade_no": trade.out_trade_no,
        "out_request_no": made.request_no,
        "total_amount": yuan(trade.amount),
        "refund_amount": yuan(made.amount),
        "refund_status": "REFUND_SUCCESS",
    }
    if "gmt_refund_pay" in request.query_options:
        fields["gmt_refund_pay"] = beijing_time(made.refunded_at)
    return success(**fields)


def _forbidden(tx: Transaction, trade: Trade, amount: int, *, numbered: bool) -> str:
    state = trade.state(tx.now)
    if state is State.CLOSED or trade.refunded == trade.amount:
        return "ACQ.TRADE_HAS_CLOSE"
    if state is not State.PAID:
        return "ACQ.TRADE_STATUS_ERROR"
    if amount > trade.amount - trade.refunded:
        return "ACQ.REASON_TRADE_REFUND_FEE_ERR"
    if amount != trade.amount and not numbered:
        return "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    return ""


def _repeat(merchant: Merchant, trade: Trade, done: trades.Refund, amount: int) -> Answer:
    if done.amount != amount:
        return refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
    return _answer(merchant, trade, done, trade.refunded, changed=False)


def _answer(merchant: Merchant, trade: Trade, made: trades.Refund, total: int, *, changed: bool) -> Answer:
    return success(
        **identity(merchant, trade),
        fund_change="Y" if changed else "N",
        refund_fee=yuan(total),
        send_back_fee=yuan(made.amount),
        gmt_refund_pay=beijing_time(made.refunded_at),
    )
