"""alipay.trade.precreate, .query and .close."""

from typing import NamedTuple

from makegood.sandbox import trades
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import State, Trade

from . import requests
from .amounts import fen, yuan
from .answers import Answer, refusal, success
from .expiry import expiry
from .merchant import BUYER_ID, BUYER_LOGON_ID, Merchant, beijing_time


class Caller(NamedTuple):
    """Who asks, where their buyers pay (the URL a code is appended to), and where to notify them (or nowhere).

    `ahead` is by how many milliseconds the sandbox's clock is ahead of theirs. `codes_survive`: the code of a trade
    that was closed before anybody scanned it can still be scanned.
    """

    merchant: Merchant
    cashier: str
    notify_url: str
    ahead: int = 0
    codes_survive: bool = False

    @property
    def home(self) -> str:
        """The sandbox's own URL."""
        return self.cashier.removesuffix("/cashier/")


def precreate(tx: Transaction, caller: Caller, request: requests.Precreate) -> Answer:
    """Makes a trade and its QR code; a repeat with the same amount is answered with the same code."""
    amount = fen(request.total_amount)
    if amount is None:
        return refusal("ACQ.INVALID_PARAMETER", "total_amount must be 0.01 to 100000000 yuan, in whole fen.")
    if request.seller_id not in ("", caller.merchant.account.seller_id):
        return refusal("ACQ.INVALID_PARAMETER", "seller_id is not the one in sandbox.json: leave it out.")
    if known := trades.by_out_trade_no(tx, request.out_trade_no):
        return repeated(tx, known, amount, caller.cashier)
    durations = [request.timeout_express, request.qr_code_timeout_express]
    ends = expiry(tx.now, durations, request.time_expire, caller.ahead)
    if ends is None:
        return refusal("ACQ.INVALID_PARAMETER", "The expiry is malformed, past, or further off than 15 days.")
    made = trades.create(tx, _new(tx, request, amount, caller.notify_url, ends))
    return _code(made, caller.cashier) if made else refusal("ACQ.SYSTEM_ERROR")


def query(tx: Transaction, caller: Caller, request: requests.Query) -> Answer:
    """How a trade stands."""
    merchant = caller.merchant
    trade = find(tx, merchant, request)
    if trade is None:
        return refusal("ACQ.TRADE_NOT_EXIST")
    paid = yuan(trade.amount if trade.paid_at else 0)
    fields: dict[str, object] = {
        **identity(merchant, trade),
        "trade_status": trade_status(trade, tx.now),
        "total_amount": yuan(trade.amount),
        "receipt_amount": paid,
        "invoice_amount": paid,
        "buyer_pay_amount": paid,
        "point_amount": "0.00",
    }
    if trade.paid_at:
        fields["send_pay_date"] = beijing_time(trade.paid_at)
        fields["fund_bill_list"] = [{"amount": paid, "fund_channel": "ALIPAYACCOUNT"}]
    return success(**fields)


def close(tx: Transaction, caller: Caller, request: requests.Close) -> Answer:
    """Closes a trade that waits; the code of one that was never scanned dies, though the answer is "not exist"."""
    trade = lookup(tx, caller.merchant, request)
    state = trade and trade.state(tx.now)
    if trade is None or state in (State.CODE, State.DEAD):
        if trade and state is State.CODE and not caller.codes_survive:
            trades.close(tx, trade)
        return refusal("ACQ.TRADE_NOT_EXIST")
    if state is not State.WAITING:
        return refusal("ACQ.TRADE_STATUS_ERROR")
    trades.close(tx, trade)
    return success(trade_no=caller.merchant.trade_no(trade), out_trade_no=trade.out_trade_no)


def find(tx: Transaction, merchant: Merchant, which: requests.Which) -> Trade | None:
    """The trade a request means, if it has come into being."""
    trade = lookup(tx, merchant, which)
    return trade if trade and trade.state(tx.now) not in (State.CODE, State.DEAD) else None


def lookup(tx: Transaction, merchant: Merchant, which: requests.Which) -> Trade | None:
    """The row a request means, even if nobody scanned its code."""
    if which.trade_no:
        return merchant.by_trade_no(tx, which.trade_no)
    return trades.by_out_trade_no(tx, which.out_trade_no)


def identity(merchant: Merchant, trade: Trade) -> dict[str, object]:
    """Whose trade it is."""
    return {
        "trade_no": merchant.trade_no(trade),
        "out_trade_no": trade.out_trade_no,
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": BUYER_ID,
    }


def trade_status(trade: Trade, now: int) -> str:
    """The platform's name for the state of a trade that has come into being."""
    if trade.state(now) is State.WAITING:
        return "WAIT_BUYER_PAY"
    if trade.state(now) is State.PAID and trade.refunded < trade.amount:
        return "TRADE_SUCCESS"
    return "TRADE_CLOSED"


def _new(
    tx: Transaction, request: requests.Precreate, amount: int, notify_url: str, expires_at: int
) -> trades.NewTrade:
    return trades.NewTrade(
        code=tx.new_token(),
        out_trade_no=request.out_trade_no,
        amount=amount,
        subject=request.subject,
        body=request.body,
        notify_url=notify_url,
        expires_at=expires_at,
    )


def repeated(tx: Transaction, known: Trade, amount: int, cashier: str) -> Answer:
    """What is said of a trade that is asked for again."""
    state = known.state(tx.now)
    if state in (State.CLOSED, State.DEAD):
        return refusal("ACQ.TRADE_HAS_CLOSE")
    if known.amount != amount:
        return refusal("ACQ.CONTEXT_INCONSISTENT")
    return refusal("ACQ.TRADE_HAS_SUCCESS") if state is State.PAID else _code(known, cashier)


def _code(trade: Trade, cashier: str) -> Answer:
    return success(out_trade_no=trade.out_trade_no, qr_code=cashier + trade.code)
