"""What coupons owns: the coupons, and what orders hold of them."""

import msgspec

from makegood.engine.database.table import Schema, Table
from makegood.engine.reservations import Reservations
from makegood.shop.coupons.contracts import CouponUsed
from makegood.shop.types import CouponId, User

SCHEMA = Schema("coupons")

FREE = 0
"""The holder of a coupon that no order holds; no order has this id."""


class CouponRow(msgspec.Struct):
    """A coupon: value and minimum in fen, `valid_until` in ms UTC; `order_id` is the order that holds it, or FREE.

    FREE is a number, not NULL, so that one index leads to a user's free coupons past all that were used.
    """

    coupon_id: CouponId
    user: User
    value: int
    minimum: int
    valid_until: int
    order_id: int


class Taken(msgspec.Struct, frozen=True):
    """The coupon an order holds."""

    coupon_id: str


COUPONS = Table[CouponRow, str](SCHEMA, "coupons", CouponRow, key=("coupon_id",), indexes=(("user", "order_id"),))
RESERVATIONS = Reservations(SCHEMA, Taken, CouponUsed)
