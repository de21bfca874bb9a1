"""An order row as people see it, and what follows from it."""

from collections.abc import Sequence

import msgspec

from makegood.engine.database.transaction import Reader
from makegood.shop.orders.contracts import Change, Order
from makegood.shop.orders.tables import OrderRow, lines_of
from makegood.shop.types import Line, Participant

_CHANGES = msgspec.json.Decoder(tuple[Change, ...])
NO_CHANGES = "[]"


def seen(row: OrderRow, lines: Sequence[Line]) -> Order:
    """The order as people see it."""
    return Order(
        order_id=row.order_id,
        user=row.user,
        status=row.status,
        payment_status=row.payment_status,
        shipping_status=row.shipping_status,
        lines=tuple(lines),
        goods_amount=row.goods_amount,
        coupon_id=row.coupon_id,
        discount=row.discount,
        shipping_fee=row.shipping_fee,
        balance=row.balance,
        amount_due=row.amount_due,
        created_at=row.created_at,
        pay_by=row.pay_by,
        payment_id=row.payment_id,
        decision=row.decision,
        changes=(Change(row.created_at, "OPEN", "UNPAID", "UNSHIPPED", "placed"), *changes_after_first(row)),
    )


def seen_all(reader: Reader, rows: Sequence[OrderRow]) -> list[Order]:
    """These orders as people see them, with their lines."""
    lines = lines_of(reader, [row.order_id for row in rows])
    return [seen(row, lines[row.order_id]) for row in rows]


def changes_after_first(row: OrderRow) -> tuple[Change, ...]:
    """What is stored of its changes: all but the first, which its creation says."""
    return () if row.changes == NO_CHANGES else _CHANGES.decode(row.changes)


def asked(row: OrderRow) -> tuple[Participant, ...]:
    """Whom the order asks: nobody for what it does not use."""
    coupons: tuple[Participant, ...] = () if row.coupon_id is None else ("coupons",)
    accounts: tuple[Participant, ...] = () if row.balance == 0 else ("accounts",)
    return ("stock", *coupons, *accounts)


def refunding(row: OrderRow) -> tuple[Participant, ...]:
    """Who gives back when the order is refunded: the balance always, goods and coupon only before shipping."""
    everyone = asked(row)
    return everyone if row.shipping_status == "UNSHIPPED" else tuple(one for one in everyone if one == "accounts")


def unpaid(order: OrderRow | Order) -> bool:
    """Whether the order waits for its payment."""
    return order.status == "CONFIRMED" and order.payment_status == "UNPAID"


def withdrawn(order: OrderRow | Order) -> bool:
    """Whether the order was cancelled before it was paid, and not refused."""
    unpaid_end = order.status == "CANCELLED" and order.payment_status == "UNPAID"
    return unpaid_end and order.decision in ("confirmed", "cancelled")
