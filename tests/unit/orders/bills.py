"""The part of payments that orders talks to: which orders are paid, closed, or at a platform that does not answer."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.database.transaction import Transaction
from makegood.engine.service import Service, operation
from makegood.shop.payments import contracts

SCHEMA = Schema("payments")


class Bill(msgspec.Struct):
    """What became of the payments of an order."""

    order_id: int
    state: Literal["PAID", "CLOSED", "SILENT"]
    payment_id: int = 0
    amount: int = 0


BILLS = Table[Bill, int](SCHEMA, "bills", Bill, key=("order_id",))


class Bills(Service):
    """Closes orders that have no bill yet, and remembers that; says of the others what their bill says."""

    name = "payments"
    schema = SCHEMA

    @operation(contracts.CLOSE)
    def close(self, tx: Transaction, requests: Sequence[contracts.CloseOrder]) -> list[contracts.OrderClosed]:
        """Closes orders, or says that they are paid, or that nobody knows."""
        bills = tx.lock(BILLS, [request.order_id for request in requests])
        answers: list[contracts.OrderClosed] = []
        for request in requests:
            bill = bills.get(request.order_id)
            if bill is None:
                bill = Bill(request.order_id, "CLOSED")
                tx.insert(BILLS, [bill])
            outcome: dict[str, Literal["closed", "paid", "unknown"]] = {
                "CLOSED": "closed",
                "PAID": "paid",
                "SILENT": "unknown",
            }
            answers.append(contracts.OrderClosed(outcome[bill.state], bill.payment_id, bill.amount))
        return answers

    def say(
        self, tx: Transaction, order_id: int, state: Literal["PAID", "SILENT"] | None, payment_id: int, amount: int
    ) -> None:
        """The platform says this of the order from now on; None: nobody paid or closed it."""
        tx.delete(BILLS, tx.lock(BILLS, [order_id]))
        if state is not None:
            tx.insert(BILLS, [Bill(order_id, state, payment_id, amount)])
