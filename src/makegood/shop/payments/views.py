"""Payments as others see them."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from makegood.engine.database.table import Table
from makegood.engine.database.transaction import Reader
from makegood.shop.payments import contracts
from makegood.shop.payments.opening import payments_of
from makegood.shop.payments.recording import refunded, refunds_of
from makegood.shop.payments.tables import (
    BREAKS,
    PAYMENTS,
    REFUSALS,
    BreakRow,
    PaymentRow,
    RefundRow,
    RefusalRow,
)

R = TypeVar("R", bound=msgspec.Struct)


def of_orders(reader: Reader, requests: Sequence[contracts.PaymentsOfOrder]) -> list[contracts.Payments]:
    """All payments of each order, the oldest first."""
    held = payments_of(reader, [request.order_id for request in requests])
    views = payment_views(reader, [row for rows in held.values() for row in rows])
    by_order: dict[int, list[contracts.Payment]] = {}
    for view in views:
        by_order.setdefault(view.order_id, []).append(view)
    return [contracts.Payments(tuple(by_order.get(request.order_id, ()))) for request in requests]


def find_payments(reader: Reader, requests: Sequence[contracts.FindPayments]) -> list[contracts.Payments]:
    """The payments that exist, in the order of their ids."""
    rows = reader.select(PAYMENTS, sorted({id for request in requests for id in request.payment_ids}))
    views = {view.payment_id: view for view in payment_views(reader, list(rows.values()))}
    return [
        contracts.Payments(tuple(views[id] for id in sorted(set(request.payment_ids)) if id in views))
        for request in requests
    ]


def list_payments(reader: Reader, requests: Sequence[contracts.ListPayments]) -> list[contracts.PaymentsPage]:
    """Pages of all payments."""
    pages: list[contracts.PaymentsPage] = []
    for request in requests:
        rows = reader.page(PAYMENTS, after=request.after, limit=request.limit + 1)
        rows, following = _cut(PAYMENTS, rows, request.limit)
        pages.append(contracts.PaymentsPage(tuple(payment_views(reader, rows)), following))
    return pages


def list_breaks(reader: Reader, requests: Sequence[contracts.ListBreaks]) -> list[contracts.BreaksPage]:
    """Pages of the list of breaks."""
    pages: list[contracts.BreaksPage] = []
    for request in requests:
        rows = reader.page(BREAKS, after=request.after, limit=request.limit + 1)
        rows, following = _cut(BREAKS, rows, request.limit)
        pages.append(contracts.BreaksPage(tuple(break_view(row) for row in rows), following))
    return pages


def list_refusals(
    reader: Reader, requests: Sequence[contracts.ListRefusedNotices]
) -> list[contracts.RefusedNoticesPage]:
    """Pages of refused callbacks, the newest first."""
    pages: list[contracts.RefusedNoticesPage] = []
    for request in requests:
        rows = reader.page(REFUSALS, after=request.after, descending=True, limit=request.limit + 1)
        rows, following = _cut(REFUSALS, rows, request.limit)
        pages.append(contracts.RefusedNoticesPage(tuple(refusal_view(row) for row in rows), following))
    return pages


def _cut(table: Table[R, int], rows: list[R], limit: int) -> tuple[list[R], int | None]:
    """The page, and behind which row the next one begins: one row more than asked for was read to know."""
    return rows[:limit], table.key_of(rows[limit - 1]) if len(rows) > limit else None


def payment_views(reader: Reader, rows: Sequence[PaymentRow]) -> list[contracts.Payment]:
    """These payments with their refunds."""
    refunds = refunds_of(reader, [row.payment_id for row in rows])
    return [_payment_view(row, refunds.get(row.payment_id, ())) for row in rows]


def refund_view(row: RefundRow) -> contracts.Refund:
    """A refund."""
    return contracts.Refund(
        refund_id=row.refund_id,
        amount=row.amount,
        state=row.state,
        reason=row.reason,
        at=row.created_at,
        changed_at=row.changed_at,
    )


def _payment_view(row: PaymentRow, refunds: Iterable[RefundRow]) -> contracts.Payment:
    return contracts.Payment(
        payment_id=row.payment_id,
        order_id=row.order_id,
        user=row.user,
        channel=row.channel,
        amount=row.amount,
        state=row.state,
        captured=row.captured,
        refunded=refunded(refunds),
        trade_no=row.trade_no,
        pay_url=row.pay_url,
        created_at=row.created_at,
        captured_at=row.captured_at,
        refunds=tuple(refund_view(refund) for refund in refunds),
    )


def break_view(row: BreakRow) -> contracts.Break:
    """A difference to settle."""
    return contracts.Break(
        break_id=row.break_id,
        kind=row.kind,
        channel=row.channel,
        number=row.number,
        trade_no=row.trade_no,
        amount=row.amount,
        at=row.at,
        detail=row.detail,
    )


def refusal_view(row: RefusalRow) -> contracts.RefusedNotice:
    """A refused callback."""
    return contracts.RefusedNotice(
        refusal_id=row.refusal_id,
        channel=row.channel,
        reason=row.reason,
        detail=row.detail,
        at=row.at,
        body=row.body,
    )
