"""Checks orders' own promise, and tells the cross-checks with other services what must hold of each order."""

from collections.abc import Iterator

import msgspec

from makegood.engine.database.transaction import Reader
from makegood.engine.tables import EngineTables
from makegood.shop.audit_types import Check, Checked, pages
from makegood.shop.orders.cancelling import CLOSE_UNPAID
from makegood.shop.orders.contracts import PaymentStatus, Status
from makegood.shop.orders.tables import ORDERS, OrderRow, lines_of
from makegood.shop.orders.view import asked, refunding, unpaid
from makegood.shop.types import Participant

GRACE = 5_000
"""Milliseconds past its deadline after which an order must be decided: a few sweeps."""

POSSIBLE = frozenset(
    {
        ("OPEN", "UNPAID", "UNSHIPPED"),
        ("CONFIRMED", "UNPAID", "UNSHIPPED"),
        ("CONFIRMED", "PAID", "UNSHIPPED"),
        ("CONFIRMED", "PAID", "SHIPPED"),
        ("COMPLETED", "PAID", "RECEIVED"),
        ("CONFIRMED", "REFUNDING", "UNSHIPPED"),
        ("CONFIRMED", "REFUNDING", "SHIPPED"),
        ("CANCELLED", "UNPAID", "UNSHIPPED"),
        ("CANCELLED", "REFUNDED", "UNSHIPPED"),
        ("CANCELLED", "REFUNDED", "SHIPPED"),
        ("CANCELLED", "REFUNDED", "RECEIVED"),
    }
)
"""The states that the moves lead to; a refund by operators ends an order that has arrived, too."""


class AuditedOrder(msgspec.Struct, frozen=True):
    """An order as the cross-checks need it; amounts in fen. `holders` must hold something for it, and nobody else.

    `holders` is None while the order is undecided: then anybody may.
    """

    order_id: int
    status: Status
    payment_status: PaymentStatus
    amount_due: int
    payment_id: int | None
    holders: frozenset[Participant] | None


def audit(reader: Reader) -> list[Checked]:
    """P10: nothing is undecided past its deadline. P4 within orders: its sums and its state are possible ones."""
    decided, sums = Check("P10"), Check("P4")
    for rows in pages(reader, ORDERS):
        lines = lines_of(reader, [row.order_id for row in rows])
        for row in rows:
            decided.examined += 1
            if row.status == "OPEN" and row.deadline + GRACE < reader.now:
                decided.broken(str(row.order_id), f"undecided {reader.now - row.deadline} ms past its deadline")
            goods = sum(line.quantity * line.unit_price for line in lines[row.order_id])
            _check_sums(sums, row, goods)
            _check_state(sums, row)
    return [decided.checked(), sums.checked()]


def unattended(tables: EngineTables, reader: Reader) -> Checked:
    """P10: whatever is not decided or not paid has a sweep that will look, or a task; `tables` are the service's."""
    check = Check("P10")
    for rows in pages(reader, ORDERS):
        lost = [row for row in rows if row.due_at is None and (row.status == "OPEN" or unpaid(row))]
        closing = reader.select(tables.tasks, [(CLOSE_UNPAID.name, str(row.order_id)) for row in lost])
        check.examined += len(rows)
        for row in lost:
            if (CLOSE_UNPAID.name, str(row.order_id)) not in closing:
                check.broken(str(row.order_id), f"{row.status} and {row.payment_status}, and nothing will end it")
    return check.checked()


def by_order(reader: Reader, after: int | None = None) -> Iterator[AuditedOrder]:
    """Every order, by order id behind `after`; memory stays flat."""
    for rows in pages(reader, ORDERS, after):
        for row in rows:
            yield AuditedOrder(
                row.order_id, row.status, row.payment_status, row.amount_due, row.payment_id, _holders(row)
            )


def _check_sums(check: Check, row: OrderRow, goods: int) -> None:
    check.examined += 1
    if goods != row.goods_amount:
        check.broken(str(row.order_id), f"the goods amount is {row.goods_amount} fen, the lines come to {goods}")
    due = row.goods_amount - row.discount + row.shipping_fee - row.balance
    if row.decision == "confirmed" and due != row.amount_due:
        check.broken(str(row.order_id), f"confirmed with {row.amount_due} fen due, the amounts come to {due}")


def _check_state(check: Check, row: OrderRow) -> None:
    state = (row.status, row.payment_status, row.shipping_status)
    if state not in POSSIBLE:
        check.broken(str(row.order_id), f"it is {', '.join(state)}, which no order can be")


def _holders(row: OrderRow) -> frozenset[Participant] | None:
    if row.status == "OPEN":
        return None
    if row.payment_status in ("REFUNDING", "REFUNDED"):
        return frozenset(asked(row)) - frozenset(refunding(row))
    return frozenset() if row.status == "CANCELLED" else frozenset(asked(row))
