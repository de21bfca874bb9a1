"""The journal (日志): what happened around orders and payments, written down once for each event.

Nothing in it is ever changed or deleted: its rows are the shop's record. A shop that must forget moves old rows
away by their ids, which grow with time.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from makegood.engine.contracts import Event
from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import Service, listener, query
from makegood.shop.journal import contracts
from makegood.shop.journal.tables import ENTRIES, SCHEMA, EntryRow
from makegood.shop.orders import contracts as orders
from makegood.shop.payments import contracts as payments

Heard = (
    orders.Confirmed | orders.Cancelled | orders.Paid | orders.RefundRequested | payments.Succeeded | payments.Refunded
)


class Journal(Service):
    """Writes down what it hears; the engine sees to it that it hears each event once."""

    name = "journal"
    schema = SCHEMA

    @listener(orders.CONFIRMED)
    def order_confirmed(self, tx: Transaction, events: Sequence[orders.Confirmed]) -> None:
        """Orders that stand."""
        _write(tx, orders.CONFIRMED, events)

    @listener(orders.CANCELLED)
    def order_cancelled(self, tx: Transaction, events: Sequence[orders.Cancelled]) -> None:
        """Orders that were refused or cancelled."""
        _write(tx, orders.CANCELLED, events)

    @listener(orders.PAID)
    def order_paid(self, tx: Transaction, events: Sequence[orders.Paid]) -> None:
        """Orders that became paid."""
        _write(tx, orders.PAID, events)

    @listener(orders.REFUND_REQUESTED)
    def refund_requested(self, tx: Transaction, events: Sequence[orders.RefundRequested]) -> None:
        """Payments whose order does not keep them."""
        _write(tx, orders.REFUND_REQUESTED, events)

    @listener(payments.SUCCEEDED)
    def payment_succeeded(self, tx: Transaction, events: Sequence[payments.Succeeded]) -> None:
        """Money that came."""
        _write(tx, payments.SUCCEEDED, events)

    @listener(payments.REFUNDED)
    def payment_refunded(self, tx: Transaction, events: Sequence[payments.Refunded]) -> None:
        """Money that went back."""
        _write(tx, payments.REFUNDED, events)

    @query(contracts.OF_ORDER)
    def of_order(self, reader: Reader, requests: Sequence[contracts.EntriesOfOrder]) -> list[contracts.Entries]:
        """What happened around an order, the oldest first, at most 1,000 entries."""
        return [_of_order(reader, request.order_id) for request in requests]


def _write(tx: Transaction, event: Event[Any], events: Sequence[Heard]) -> None:
    tx.insert(ENTRIES, [_row(tx, event, one) for one in events])


def _row(tx: Transaction, event: Event[Any], payload: Heard) -> EntryRow:
    return EntryRow(
        entry_id=tx.new_id(),
        at=tx.now,
        topic=event.topic,
        tag=event.tag,
        order_id=payload.order_id,
        payment_id=None if isinstance(payload, orders.Confirmed | orders.Cancelled) else payload.payment_id,
        refund_id=payload.refund_id if isinstance(payload, payments.Refunded) else None,
        detail=msgspec.json.encode(payload).decode(),
    )


def _of_order(reader: Reader, order_id: int) -> contracts.Entries:
    rows = reader.page(ENTRIES, where={"order_id": order_id}, limit=contracts.MAX_ENTRIES + 1)
    entries = tuple(map(_entry, rows[: contracts.MAX_ENTRIES]))
    return contracts.Entries(entries, len(rows) <= contracts.MAX_ENTRIES)


def _entry(row: EntryRow) -> contracts.Entry:
    return contracts.Entry(row.entry_id, row.at, row.topic, row.tag, row.order_id, row.payment_id, row.detail)
