"""Checks coupons' promise in one snapshot, from the orders' reservations."""

from collections.abc import Iterator, Sequence

from makegood.engine.database.transaction import Reader
from makegood.engine.reservations import Reservation
from makegood.shop.audit_types import Check, Checked, pages
from makegood.shop.coupons.tables import COUPONS, FREE, RESERVATIONS, CouponRow
from makegood.shop.reservation_query import held as held_orders


def audit(reader: Reader) -> list[Checked]:
    """P2: an order holds a coupon if and only if the coupon says so; so no two orders hold the same."""
    check = Check("P2")
    for coupons in pages(reader, COUPONS):
        check.examined += len(coupons)
        _check_holders(reader, [coupon for coupon in coupons if coupon.order_id != FREE], check)
    for rows in pages(reader, RESERVATIONS.table):
        _check_reservations(reader, [row for row in rows if row.state == "TAKEN"], check)
    return [check.checked()]


def held(reader: Reader, after: int | None = None) -> Iterator[int]:
    """The orders that hold a coupon, by order id, behind `after`."""
    return held_orders(RESERVATIONS, reader, after)


def _check_holders(reader: Reader, coupons: Sequence[CouponRow], check: Check) -> None:
    holders = reader.select(RESERVATIONS.table, [coupon.order_id for coupon in coupons])
    for coupon in coupons:
        row = holders.get(coupon.order_id)
        if row is None or row.state != "TAKEN" or RESERVATIONS.taken(row).coupon_id != coupon.coupon_id:
            check.broken(coupon.coupon_id, f"it is marked as held by order {coupon.order_id}, which does not hold it")


def _check_reservations(reader: Reader, rows: Sequence[Reservation], check: Check) -> None:
    taken = {row.order_id: RESERVATIONS.taken(row).coupon_id for row in rows}
    coupons = reader.select(COUPONS, taken.values())
    for order_id, coupon_id in taken.items():
        coupon = coupons.get(coupon_id)
        if coupon is None:
            check.broken(coupon_id, f"order {order_id} holds it, but there is no such coupon")
        elif coupon.order_id != order_id:
            holder = "nobody" if coupon.order_id == FREE else f"order {coupon.order_id}"
            check.broken(coupon_id, f"order {order_id} holds it, but it is marked as held by {holder}")
