"""What payments says happened, and what it means for orders."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from makegood.engine.database.transaction import Transaction
from makegood.shop.orders import moves
from makegood.shop.orders.contracts import REFUND_REQUESTED, RefundRequested
from makegood.shop.orders.tables import ORDERS, OrderRow
from makegood.shop.orders.view import unpaid
from makegood.shop.payments import contracts as payments


class UnknownOrder(Exception):
    """Money came for an order that is not here: find out which database it belongs to, then replay the event."""


def hear_succeeded(tx: Transaction, events: Sequence[payments.Succeeded]) -> None:
    """The payment that fits makes its order paid; any other is asked to be refunded. Raises UnknownOrder.

    An event that comes twice asks for the same refund twice, which payments knows by the payment.
    """
    rows = _locked(tx, [event.order_id for event in events])
    paid: list[OrderRow] = []
    for event in events:
        row = rows[event.order_id]
        if row.payment_id == event.payment_id:
            continue
        if unpaid(row) and event.amount == row.amount_due:
            moves.pay(tx, row, event.payment_id)
            paid.append(row)
        else:
            request = RefundRequested(row.order_id, row.user, event.payment_id, (), _reason(row))
            tx.publish(REFUND_REQUESTED, request, key=str(row.order_id))
    tx.update(ORDERS, paid)


def hear_refunded(tx: Transaction, events: Sequence[payments.Refunded]) -> None:
    """An order whose payment is refunded to the last fen ends; a part of it changes nothing. Raises UnknownOrder."""
    rows = _locked(tx, [event.order_id for event in events])
    ended: list[OrderRow] = []
    for event in events:
        row = rows[event.order_id]
        if event.cumulative >= event.captured and _ends(row, event):
            moves.end_refund(tx, row, event.payment_id)
            ended.append(row)
    tx.update(ORDERS, ended)


def _ends(row: OrderRow, event: payments.Refunded) -> bool:
    if row.payment_id == event.payment_id:
        return row.payment_status in ("PAID", "REFUNDING")
    # The refund was heard before the payment it refunds, which will be a repeat when it comes.
    return unpaid(row) and event.captured == row.amount_due


def _reason(row: OrderRow) -> Literal["late", "second", "wrong_amount"]:
    if unpaid(row):
        return "wrong_amount"
    return "late" if row.payment_status == "UNPAID" else "second"


def _locked(tx: Transaction, order_ids: Iterable[int]) -> Mapping[int, OrderRow]:
    wanted = list(order_ids)
    rows = tx.lock(ORDERS, wanted)
    if missing := [order_id for order_id in wanted if order_id not in rows]:
        raise UnknownOrder(f"no order {missing[0]} here: find the database it belongs to, then replay this event")
    return rows
