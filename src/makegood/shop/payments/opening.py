"""Opening payments, and closing an order to them: the order's bill is the row by which they exclude each other."""

from collections.abc import Iterable, Sequence

import msgspec

from makegood.engine.database.transaction import Reader, Transaction
from makegood.shop.orders.contracts import Order
from makegood.shop.payments.contracts import CloseOrder, PaymentOpened
from makegood.shop.payments.gateways.port import MAX_AMOUNT
from makegood.shop.payments.tables import BILLS, PAYMENTS, Bill, BillState, PaymentRow

REMEMBER = 7 * 86_400_000
"""Milliseconds for which an order that was closed without ever having a payment is remembered as closed."""


class Begin(msgspec.Struct, frozen=True):
    """A payment to begin: `amount` in fen, `expires_at` and `ask_at` (the first question to the platform) in ms UTC."""

    order_id: int
    user: str
    channel: str
    amount: int
    expires_at: int
    ask_at: int


class StorePayUrl(msgspec.Struct, frozen=True):
    """Where the buyer pays, as the platform said, and its own number of the payment, if it needs that."""

    payment_id: int
    pay_url: str
    trade_no: str = ""


class Trade(msgspec.Struct, frozen=True):
    """A payment that may still be open at its platform, or was captured; `amount` in fen."""

    payment_id: int
    channel: str
    amount: int
    trade_no: str


class ClosingBegun(msgspec.Struct, frozen=True):
    """The payment of the order that has been captured, if any, and those to be closed at their platforms."""

    paid: Trade | None
    open: tuple[Trade, ...]


def payable(order: Order, now: int) -> bool:
    """Whether a payment may be opened for this order at `now` (ms UTC)."""
    return (
        order.status == "CONFIRMED"
        and order.payment_status == "UNPAID"
        and 0 < order.amount_due <= MAX_AMOUNT
        and now < order.pay_by
    )


def begin_payments(tx: Transaction, requests: Sequence[Begin]) -> list[PaymentOpened]:
    """The open payment of each (order, channel), begun if there is none; refused once the order is closed or paid."""
    bills = tx.lock(BILLS, [request.order_id for request in requests])
    held = payments_of(tx, [request.order_id for request in requests])
    new: list[PaymentRow] = []
    answers: list[PaymentOpened] = []
    for request in requests:
        payments = held.setdefault(request.order_id, [])
        if _closed(bills.get(request.order_id), payments):
            answers.append(PaymentOpened("not_payable"))
            continue
        row = _open_one(request, payments)
        if row is None:
            row = _payment(tx, request)
            new.append(row)
            payments.append(row)
        answers.append(PaymentOpened("", row.payment_id, row.pay_url))
    _insert_bills(tx, [row.order_id for row in new if row.order_id not in bills], "OPEN", None)
    tx.insert(PAYMENTS, new)
    return answers


def store_pay_urls(tx: Transaction, requests: Sequence[StorePayUrl]) -> list[PaymentOpened]:
    """Keeps where the buyer pays, unless the payment has ended meanwhile: then nobody is told the address."""
    rows = tx.lock(PAYMENTS, [request.payment_id for request in requests])
    answers: list[PaymentOpened] = []
    changed: dict[int, PaymentRow] = {}
    for request in requests:
        row = rows[request.payment_id]
        if row.state != "OPEN":
            answers.append(PaymentOpened("not_payable"))
            continue
        if not row.pay_url:
            row.pay_url, row.trade_no = request.pay_url, request.trade_no
            changed[row.payment_id] = row
        answers.append(PaymentOpened("", row.payment_id, row.pay_url))
    tx.update(PAYMENTS, changed.values())
    return answers


def begin_closing(tx: Transaction, requests: Sequence[CloseOrder]) -> list[ClosingBegun]:
    """Closes the bills of orders that are not paid, so that no later payment opens."""
    ids = list(dict.fromkeys(request.order_id for request in requests))
    bills = tx.lock(BILLS, ids)
    held = payments_of(tx, ids)
    closing = [id for id in ids if not _paid(held.get(id, []))]
    ending = [bills[id] for id in closing if id in bills and bills[id].state == "OPEN"]
    for bill in ending:
        bill.state, bill.changed_at = "CLOSED", tx.now
    tx.update(BILLS, ending)
    _insert_bills(tx, [id for id in closing if id not in bills], "CLOSED", tx.now + REMEMBER)
    return [_closing(held.get(request.order_id, [])) for request in requests]


def forget_bills(tx: Transaction, limit: int) -> int:
    """Forgets orders that were closed without a payment and a week ago; says how many."""
    due = tx.due(BILLS, "due_at", tx.now, limit)
    tx.delete(BILLS, tx.lock(BILLS, [bill.order_id for bill in due]))
    return len(due)


def payments_of(reader: Reader, order_ids: Iterable[int]) -> dict[int, list[PaymentRow]]:
    """The payments of these orders, the oldest first."""
    found: dict[int, list[PaymentRow]] = {}
    for row in reader.select_by(PAYMENTS, "order_id", order_ids):
        found.setdefault(row.order_id, []).append(row)
    return found


def _open_key(request: Begin) -> str:
    return f"{request.order_id}:{request.channel}"


def _open_one(request: Begin, payments: Iterable[PaymentRow]) -> PaymentRow | None:
    return next((row for row in payments if row.open_key == _open_key(request)), None)


def _paid(payments: Iterable[PaymentRow]) -> bool:
    return any(row.state == "PAID" for row in payments)


def _closed(bill: Bill | None, payments: Iterable[PaymentRow]) -> bool:
    return (bill is not None and bill.state == "CLOSED") or _paid(payments)


def _closing(payments: Iterable[PaymentRow]) -> ClosingBegun:
    paid = next((_trade(row) for row in payments if row.state == "PAID"), None)
    return ClosingBegun(paid, tuple(_trade(row) for row in payments if row.state == "OPEN"))


def _trade(row: PaymentRow) -> Trade:
    return Trade(row.payment_id, row.channel, row.amount, row.trade_no)


def _insert_bills(tx: Transaction, order_ids: Iterable[int], state: BillState, due_at: int | None) -> None:
    tx.insert(BILLS, [Bill(id, state, tx.now, due_at) for id in dict.fromkeys(order_ids)])


def _payment(tx: Transaction, request: Begin) -> PaymentRow:
    return PaymentRow(
        payment_id=tx.new_id(),
        order_id=request.order_id,
        user=request.user,
        channel=request.channel,
        amount=request.amount,
        state="OPEN",
        open_key=_open_key(request),
        pay_url="",
        created_at=tx.now,
        expires_at=request.expires_at,
        changed_at=tx.now,
        due_at=request.ask_at,
        asked=0,
        captured=0,
        captured_at=None,
        told_by=None,
        notify_id="",
        trade_no="",
    )
