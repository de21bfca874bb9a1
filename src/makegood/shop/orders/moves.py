"""Every change of status an order can make, each a compare-and-set on a locked row with the event that tells it.

    OPEN/UNPAID ── confirm ── CONFIRMED/UNPAID ── pay ── CONFIRMED/PAID ── ship, receive ── COMPLETED/PAID
         └───────── cancel ──────────┘                        └─ request_refund ─ CONFIRMED/REFUNDING
                      │                                       └───────── end_refund ─────────┘
                  CANCELLED/UNPAID                                   CANCELLED/REFUNDED

A move that is not possible changes nothing and says so; the caller updates the rows.
"""

import msgspec

from makegood.engine.database.transaction import Transaction
from makegood.shop.orders.contracts import (
    CANCELLED,
    CONFIRMED,
    PAID,
    REFUND_REQUESTED,
    Cancelled,
    Change,
    Confirmed,
    Paid,
    RefundRequested,
)
from makegood.shop.orders.tables import OrderRow
from makegood.shop.orders.view import asked, changes_after_first, refunding, unpaid
from makegood.shop.types import Participant


def confirm(tx: Transaction, row: OrderRow) -> None:
    """An OPEN order everybody agreed to is confirmed; with nothing due it is paid at once."""
    assert row.status == "OPEN", f"order {row.order_id} is {row.status}, only an OPEN one is confirmed"
    row.status, row.decision, row.due_at = "CONFIRMED", "confirmed", row.pay_by
    _note(tx, row, "confirmed")
    tx.publish(CONFIRMED, Confirmed(row.order_id, row.user, row.amount_due), key=str(row.order_id))
    if row.amount_due == 0:
        pay(tx, row, None)


def refuse(tx: Transaction, row: OrderRow, code: str, holders: tuple[Participant, ...]) -> None:
    """An OPEN order is decided against; `holders` took something for it, or may have."""
    assert row.status == "OPEN", f"order {row.order_id} is {row.status}, only an OPEN one is refused"
    row.decision = code
    _cancel(tx, row, code, holders)


def cancel(tx: Transaction, row: OrderRow, code: str) -> None:
    """A confirmed order nobody can pay any more is cancelled, and everybody gives back."""
    assert unpaid(row), f"order {row.order_id} is {row.status} and {row.payment_status}: it cannot be cancelled"
    _cancel(tx, row, code, asked(row))


def pay(tx: Transaction, row: OrderRow, payment_id: int | None) -> None:
    """A confirmed order is paid, by this payment or because nothing was due."""
    assert unpaid(row), f"order {row.order_id} is {row.status} and {row.payment_status}: it cannot be paid"
    row.payment_status, row.payment_id, row.due_at = "PAID", payment_id, None
    _note(tx, row, "paid")
    tx.publish(PAID, Paid(row.order_id, row.user, payment_id, row.amount_due), key=str(row.order_id))


def ship(tx: Transaction, row: OrderRow) -> str:
    """A paid order leaves the shop; a repeat changes nothing. Refusal: not_shippable."""
    if row.shipping_status != "UNSHIPPED":
        return ""
    if (row.status, row.payment_status) != ("CONFIRMED", "PAID"):
        return "not_shippable"
    row.shipping_status = "SHIPPED"
    _note(tx, row, "shipped")
    return ""


def receive(tx: Transaction, row: OrderRow) -> str:
    """A shipped order has arrived and is completed; a repeat changes nothing. Refusal: not_receivable."""
    if row.shipping_status == "RECEIVED":
        return ""
    if (row.status, row.payment_status, row.shipping_status) != ("CONFIRMED", "PAID", "SHIPPED"):
        return "not_receivable"
    row.status, row.shipping_status = "COMPLETED", "RECEIVED"
    _note(tx, row, "received")
    return ""


def request_refund(tx: Transaction, row: OrderRow) -> str:
    """A paid order is to be refunded, at once if no cash was captured; a repeat changes nothing.

    Refusal: not_refundable.
    """
    if row.payment_status in ("REFUNDING", "REFUNDED"):
        return ""
    if (row.status, row.payment_status) != ("CONFIRMED", "PAID"):
        return "not_refundable"
    if row.payment_id is None:
        row.status, row.payment_status = "CANCELLED", "REFUNDED"
        _note(tx, row, "refunded")
    else:
        row.payment_status = "REFUNDING"
        _note(tx, row, "refund_requested")
    request = RefundRequested(row.order_id, row.user, row.payment_id, refunding(row), "asked")
    tx.publish(REFUND_REQUESTED, request, key=str(row.order_id))
    return ""


def end_refund(tx: Transaction, row: OrderRow, payment_id: int) -> None:
    """All that was captured is back with the buyer: the order ends.

    Nobody asked for it if operators refunded the payment: then this tells the participants to give back.
    """
    asked_for = row.payment_status == "REFUNDING"
    row.status, row.payment_status, row.payment_id, row.due_at = "CANCELLED", "REFUNDED", payment_id, None
    _note(tx, row, "refunded")
    if not asked_for and (holders := refunding(row)):
        _publish_cancelled(tx, row, "refunded", holders)


def _cancel(tx: Transaction, row: OrderRow, code: str, holders: tuple[Participant, ...]) -> None:
    row.status, row.due_at = "CANCELLED", None
    _note(tx, row, code)
    if holders:
        _publish_cancelled(tx, row, code, holders)


def _publish_cancelled(tx: Transaction, row: OrderRow, code: str, holders: tuple[Participant, ...]) -> None:
    tx.publish(CANCELLED, Cancelled(row.order_id, row.user, code, holders), key=str(row.order_id))


def _note(tx: Transaction, row: OrderRow, why: str) -> None:
    change = Change(tx.now, row.status, row.payment_status, row.shipping_status, why)
    row.changes = msgspec.json.encode((*changes_after_first(row), change)).decode()
