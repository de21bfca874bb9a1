"""Checks between services: their rows stream by side by side, a slice of order or payment ids at a time."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from makegood.engine.database.port import Database
from makegood.engine.database.transaction import Reader
from makegood.shop.accounts import audit as accounts
from makegood.shop.audit_types import PAGE, Check, Checked
from makegood.shop.coupons import audit as coupons
from makegood.shop.journal import audit as journal
from makegood.shop.journal.audit import Written
from makegood.shop.orders import audit as orders
from makegood.shop.orders.audit import AuditedOrder
from makegood.shop.payments import audit as payments
from makegood.shop.payments.audit import AuditedPayment
from makegood.shop.points import audit as points
from makegood.shop.points.tables import EntryRow
from makegood.shop.stock import audit as stock
from makegood.shop.types import Participant

T = TypeVar("T")
Databases = Mapping[str, Database]

END = 2**63 - 1
"""Behind every id."""
HELD: dict[Participant, Callable[[Reader, int | None], Iterator[int]]] = {
    "stock": stock.held,
    "coupons": coupons.held,
    "accounts": accounts.held,
}


async def orders_and_holders(databases: Databases) -> list[Checked]:
    """P6: whoever holds something for an order is who should by its status."""
    check = Check("P6")
    after: int | None = None
    while after != END:
        page, upto = await _page(databases["orders"], orders.by_order, after, lambda order: order.order_id)
        known = {order.order_id: order for order in page}
        for name, held in HELD.items():
            holding = set(await databases[name].survey(_slice(held, after, upto, lambda order_id: order_id)))
            _check_holder(check, name, known, holding)
        after = upto
    return [check.checked()]


async def orders_and_payments(databases: Databases) -> list[Checked]:
    """P4: paid if and only if it should be. P5: what was captured beside that is refunded, or will be."""
    paid, money = Check("P4"), Check("P5")
    after: int | None = None
    while after != END:
        page, upto = await _page(databases["orders"], orders.by_order, after, lambda order: order.order_id)
        found = await databases["payments"].survey(
            _slice(payments.by_order, after, upto, lambda payment: payment.order_id)
        )
        by_order: dict[int, list[AuditedPayment]] = {order.order_id: [] for order in page}
        for payment in found:
            by_order.setdefault(payment.order_id, []).append(payment)
        _check_money(paid, money, {order.order_id: order for order in page}, by_order)
        after = upto
    return [paid.checked(), money.checked()]


async def payments_and_consumers(databases: Databases) -> list[Checked]:
    """P8: each capture and each refund has its entry of points and its line in the journal."""
    check = Check("P8")
    after: int | None = None
    while after != END:
        page, upto = await _page(databases["payments"], payments.by_payment, after, lambda payment: payment.payment_id)
        rows = await databases["points"].survey(_points_slice(after, upto))
        ids = {payment.order_id for payment in page}
        written = await databases["journal"].survey(lambda reader, ids=ids: journal.written(reader, sorted(ids)))
        _check_points(check, page, rows)
        _check_journal(check, page, written)
        after = upto
    return [check.checked()]


def _check_holder(check: Check, name: Participant, known: dict[int, AuditedOrder], holding: set[int]) -> None:
    check.examined += len(known)
    for order_id in sorted(holding - known.keys()):
        check.broken(f"{order_id} {name}", f"{name} holds something for an order that is not there")
    for order_id, order in known.items():
        if order.holders is None:
            continue
        if order_id in holding and name not in order.holders:
            check.broken(f"{order_id} {name}", f"{name} holds something for it, but it is {_status(order)}")
        elif order_id not in holding and name in order.holders:
            check.broken(f"{order_id} {name}", f"{name} holds nothing for it, but it is {_status(order)}")


def _check_money(
    paid: Check, money: Check, known: dict[int, AuditedOrder], by_order: dict[int, list[AuditedPayment]]
) -> None:
    for order_id, found in by_order.items():
        order = known.get(order_id)
        kept = [payment for payment in found if payment.captured > payment.refunded]
        paid.examined += 1
        money.examined += len(found)
        if order is None:
            money.broken(str(order_id), "there are payments of an order that is not there")
            continue
        _check_paid(paid, order, kept)
        for payment in kept:
            pays = order.payment_id == payment.payment_id and order.payment_status == "PAID"
            left = payment.captured - payment.promised - payment.failed
            if not pays and left > 0:
                money.broken(str(payment.payment_id), f"{left} fen captured, the order is {_status(order)}")


def _check_paid(check: Check, order: AuditedOrder, kept: list[AuditedPayment]) -> None:
    exact = [one for one in kept if one.captured == order.amount_due and one.payment_id == order.payment_id]
    if order.payment_status == "PAID":
        if order.amount_due and len(exact) != 1:
            check.broken(str(order.order_id), f"PAID, with {len(exact)} captured payments of its amount")
    elif order.payment_status == "UNPAID" and order.status == "CONFIRMED":
        if kept:
            check.broken(str(order.order_id), f"UNPAID, though payment {kept[0].payment_id} is captured")
        elif not order.amount_due:
            check.broken(str(order.order_id), "UNPAID, though nothing was due")
    elif order.payment_status == "REFUNDED" and any(one.payment_id == order.payment_id for one in kept):
        check.broken(str(order.order_id), "REFUNDED, though its payment is not refunded in full")
    elif order.payment_status == "REFUNDING" and all(one.payment_id != order.payment_id for one in kept):
        check.broken(str(order.order_id), "REFUNDING, though nothing of its payment is left to refund")


def _check_points(check: Check, page: list[AuditedPayment], rows: list[EntryRow]) -> None:
    entries: dict[int, dict[int, EntryRow]] = {}
    for row in rows:
        entries.setdefault(row.payment_id, {})[row.refund_id] = row
    for payment in page:
        check.examined += 1
        mine = entries.pop(payment.payment_id, {})
        wanted = {0, *payment.refund_ids} if payment.captured else set[int]()
        earned = (payment.captured - payment.refunded) // 100
        if mine.keys() != wanted or sum(row.points for row in mine.values()) != earned:
            check.broken(f"{payment.payment_id} points", f"points entered {len(mine)} of {len(wanted)} times")
    for payment_id in entries:
        check.broken(f"{payment_id} points", "points were entered for a payment that is not there")


def _check_journal(check: Check, page: list[AuditedPayment], written: frozenset[Written]) -> None:
    for payment in page:
        order_id, payment_id = payment.order_id, payment.payment_id
        wanted = [Written(order_id, "payments", "refunded", payment_id, refund) for refund in payment.refund_ids]
        if payment.captured:
            wanted.append(Written(order_id, "payments", "succeeded", payment_id, None))
        for one in wanted:
            check.examined += 1
            if one not in written:
                check.broken(f"{payment_id} journal", f"payments: {one.tag} is not in the journal")


async def _page(
    database: Database,
    rows: Callable[[Reader, int | None], Iterator[T]],
    after: int | None,
    key: Callable[[T], int],
) -> tuple[list[T], int]:
    """The next rows, and the id up to which everything is in them."""

    def look(reader: Reader) -> list[T]:
        return list(islice(rows(reader, after), PAGE))

    page = await database.survey(look)
    return page, key(page[-1]) if len(page) == PAGE else END


def _slice(
    rows: Callable[[Reader, int | None], Iterator[T]], after: int | None, upto: int, key: Callable[[T], int]
) -> Callable[[Reader], list[T]]:
    """The rows behind `after` whose key is at most `upto`."""

    def look(reader: Reader) -> list[T]:
        found: list[T] = []
        for row in rows(reader, after):
            if key(row) > upto:
                break
            found.append(row)
        return found

    return look


def _points_slice(after: int | None, upto: int) -> Callable[[Reader], list[EntryRow]]:
    def rows(reader: Reader, after: int | None) -> Iterator[EntryRow]:
        return points.entries(reader, None if after is None else (after, END))

    return _slice(rows, after, upto, lambda row: row.payment_id)


def _status(order: AuditedOrder) -> str:
    return f"{order.status} and {order.payment_status}"
