"""The rules of points (积分): one for each full 100 fen a platform captured and did not give back.

Points follow payments: each captured payment is rounded down by itself. An order has one that it keeps; should a
second one have been captured for it, that one is refunded, and its points go with it.
"""

from collections.abc import Sequence

from makegood.engine.database.transaction import Reader, Transaction
from makegood.engine.service import Service, listener, query
from makegood.shop.payments.contracts import REFUNDED, SUCCEEDED, Refunded, Succeeded
from makegood.shop.points import contracts
from makegood.shop.points.tables import BALANCES, ENTRIES, SCHEMA, BalanceRow, EntryRow

POINT = 100
"""Fen that bring one point."""


class Points(Service):
    """Adds points for what was paid, and takes back those of what was refunded; in whatever order it hears of it."""

    name = "points"
    schema = SCHEMA

    @listener(SUCCEEDED, idempotent=True)
    def add(self, tx: Transaction, payments: Sequence[Succeeded]) -> None:
        """Adds the points of captured payments."""
        _enter(tx, [_earned(tx, payment) for payment in payments])

    @listener(REFUNDED, idempotent=True)
    def take_back(self, tx: Transaction, refunds: Sequence[Refunded]) -> None:
        """Takes back the points of refunds."""
        _enter(tx, [_reversed(tx, refund) for refund in refunds])

    @query(contracts.OF_USER)
    def of_user(self, reader: Reader, requests: Sequence[contracts.PointsOfUser]) -> list[contracts.Points]:
        """The users' points; a refund that overtook its capture does not show as a debt."""
        balances = reader.select(BALANCES, [request.user for request in requests])
        points = {user: max(0, row.points) for user, row in balances.items()}
        return [contracts.Points(request.user, points.get(request.user, 0)) for request in requests]

    @query(contracts.OF_PAYMENTS)
    def of_payments(self, reader: Reader, requests: Sequence[contracts.EntriesOfPayments]) -> list[contracts.Entries]:
        """The entries of payments."""
        found: dict[int, list[contracts.Entry]] = {}
        wanted = sorted({id for request in requests for id in request.payment_ids})
        for row in reader.select_by(ENTRIES, "payment_id", wanted):
            entry = contracts.Entry(row.payment_id, row.refund_id, row.points, row.at)
            found.setdefault(row.payment_id, []).append(entry)
        return [
            contracts.Entries(tuple(entry for id in request.payment_ids for entry in found.get(id, ())))
            for request in requests
        ]


def reversal(refund: Refunded) -> int:
    """The points that this refund takes back, none or below zero.

    It is the difference between what is due before it and after it, so the parts of a payment take back exactly
    what the whole would, each rounded as it comes.
    """
    after = (refund.captured - refund.cumulative) // POINT
    before = (refund.captured - refund.cumulative + refund.amount) // POINT
    return after - before


def _earned(tx: Transaction, payment: Succeeded) -> EntryRow:
    return EntryRow(payment.payment_id, 0, payment.order_id, payment.user, payment.amount // POINT, tx.now)


def _reversed(tx: Transaction, refund: Refunded) -> EntryRow:
    return EntryRow(refund.payment_id, refund.refund_id, refund.order_id, refund.user, reversal(refund), tx.now)


def _enter(tx: Transaction, entries: Sequence[EntryRow]) -> None:
    """Writes the entries that are new, and adds them to their users' balances."""
    wanted = {ENTRIES.key_of(entry): entry for entry in entries}
    known = tx.lock(ENTRIES, wanted)
    new = [entry for key, entry in wanted.items() if key not in known]
    balances = tx.lock(BALANCES, [entry.user for entry in new])
    opened: dict[str, BalanceRow] = {}
    for entry in new:
        balance = balances.get(entry.user) or opened.setdefault(entry.user, BalanceRow(entry.user, 0))
        balance.points += entry.points
    tx.insert(ENTRIES, new)
    tx.insert(BALANCES, list(opened.values()))
    tx.update(BALANCES, balances.values())
