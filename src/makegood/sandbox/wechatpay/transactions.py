"""Orders: made, queried, closed."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from makegood.sandbox import trades
from makegood.sandbox.store import Transaction
from makegood.sandbox.trades import State, Trade

from .answers import Answer, refusal, success
from .merchant import Merchant, beijing_rfc3339
from .requests import Create, Details

DEFAULT_MILLISECONDS: Final = 2 * 3600 * 1000
MAX_MILLISECONDS: Final = 7 * 24 * 3600 * 1000
NATIVE, H5, JSAPI, APP = "native", "h5", "jsapi", "app"
TRADE_TYPES: Final = {NATIVE: "NATIVE", H5: "MWEB", JSAPI: "JSAPI", APP: "APP"}
_DESCRIPTIONS: Final = {"SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "未支付", "CLOSED": "已关闭"}


class Caller(NamedTuple):
    """Who asks: the cashier is the URL to which a code is appended.

    `serial` is what the answer is signed with; `ahead` by how many milliseconds the sandbox's clock is ahead of the
    merchant's.
    """

    merchant: Merchant
    cashier: str
    serial: str
    ahead: int


def create(tx: Transaction, caller: Caller, product: str, request: Create) -> Answer:
    """Makes an order that can be paid; a repeat with the same values is answered alike."""
    if hint := _lacks(product, request):
        return refusal("PARAM_ERROR", hint)
    if known := trades.by_out_trade_no(tx, request.out_trade_no, trades.WECHATPAY):
        return _repeat(tx, caller, known, product, request)
    ends = _expiry(tx.now, caller.ahead, request.time_expire)
    if ends is None:
        return refusal("PARAM_ERROR", "time_expire is malformed, past, or more than seven days off.")
    made = trades.create(tx, _new(tx, caller, product, request, ends), opened=True)
    return _told(caller, made, created=True) if made else refusal("SYSTEM_ERROR", _FULL)


def query(tx: Transaction, caller: Caller, find: Callable[[Transaction], Trade | None]) -> Answer:
    """How an order stands."""
    trade = find(tx)
    return success(described(caller.merchant, trade, tx.now)) if trade else refusal("ORDER_NOT_EXIST")


def close(tx: Transaction, number: str) -> Answer:
    """Closes an order that waits for its buyer."""
    trade = trades.by_out_trade_no(tx, number, trades.WECHATPAY)
    if trade is None:
        return refusal("ORDER_NOT_EXIST")
    if trade.state(tx.now) is State.PAID:
        return refusal("ORDERPAID")
    if trade.state(tx.now) is not State.WAITING:
        return refusal("ORDER_CLOSED")
    trades.close(tx, trade)
    return Answer(204)


def described(merchant: Merchant, trade: Trade, now: int) -> dict[str, object]:
    """An order as a query gives it."""
    account, details = merchant.account, details_of(trade)
    state = _trade_state(trade, now)
    fields: dict[str, object] = {
        "appid": account.appid,
        "mchid": account.mchid,
        "out_trade_no": trade.out_trade_no,
        "attach": details.attach,
        "trade_state": state,
        "trade_state_desc": _DESCRIPTIONS[state],
        "amount": {"total": trade.amount, "currency": "CNY"},
        "promotion_detail": [],
    }
    return fields | paid_fields(merchant, trade) if trade.paid_at else fields


def paid_fields(merchant: Merchant, trade: Trade) -> dict[str, object]:
    """What there is to say of an order since it is paid."""
    return {
        "transaction_id": merchant.transaction_id(trade),
        "trade_type": TRADE_TYPES[trade.product],
        "bank_type": "OTHERS",
        "success_time": beijing_rfc3339(trade.paid_at or 0),
        "payer": {"openid": merchant.openid()},
        "amount": {
            "total": trade.amount,
            "payer_total": trade.amount,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def details_of(trade: Trade) -> Details:
    """What the platform remembers of it."""
    return msgspec.json.decode(trade.details or "{}", type=Details)


def _trade_state(trade: Trade, now: int) -> str:
    if trade.paid_at:
        return "REFUND" if trade.refunded else "SUCCESS"
    return "NOTPAY" if trade.state(now) is State.WAITING else "CLOSED"


_FULL: Final = "The sandbox holds as many trades as it can: give it a new --data folder."


def _lacks(product: str, request: Create) -> str:
    if product == JSAPI and request.payer is None:
        return "Send payer.openid."
    if product == H5 and (request.scene_info is None or request.scene_info.h5_info is None):
        return "Send scene_info with payer_client_ip and h5_info.type."
    return ""


def _repeat(tx: Transaction, caller: Caller, known: Trade, product: str, request: Create) -> Answer:
    state = known.state(tx.now)
    if state is State.PAID:
        return refusal("ORDERPAID")
    if state is not State.WAITING:
        return refusal("ORDER_CLOSED")
    if (known.amount, known.product) != (request.amount.total, product):
        return refusal("OUT_TRADE_NO_USED")
    return _told(caller, known, created=False)


def _told(caller: Caller, trade: Trade, *, created: bool) -> Answer:
    number = trade.out_trade_no if created else ""
    match trade.product:
        case "native":
            return success({"code_url": caller.cashier + trade.code}, number)
        case "h5":
            return success({"h5_url": caller.cashier + trade.code}, number)
        case _:
            return success({"prepay_id": f"wx{trade.code}"}, number)


def _new(tx: Transaction, caller: Caller, product: str, request: Create, ends: int) -> trades.NewTrade:
    details = Details(caller.serial, request.attach)
    return trades.NewTrade(
        code=tx.new_token(),
        out_trade_no=request.out_trade_no,
        amount=request.amount.total,
        subject=request.description,
        body="",
        notify_url=request.notify_url,
        expires_at=ends,
        platform=trades.WECHATPAY,
        product=product,
        details=msgspec.json.encode(details).decode(),
    )


def _expiry(now: int, ahead: int, moment: str) -> int | None:
    """When the order ends, in virtual milliseconds UTC; None when the merchant's moment is none, or past."""
    if not moment:
        return now + DEFAULT_MILLISECONDS
    try:
        when = datetime.fromisoformat(moment)
        ends = int(when.timestamp() * 1000) + ahead if when.tzinfo else now
    except (ValueError, OverflowError):
        return None
    return ends if now < ends <= now + MAX_MILLISECONDS else None
