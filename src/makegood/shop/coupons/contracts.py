"""What coupons says and hears."""

from typing import Annotated

import msgspec

from makegood.engine.contracts import Operation
from makegood.engine.reservations import Answer
from makegood.shop.reservation_contracts import ReservationFound, ReservationOf
from makegood.shop.types import CouponId, Fen, Loaded, Price, User

MAX_LOAD = 10_000
"""Most coupons of one load."""
MAX_OF_USER = 1_000
"""Most coupons of a user that are given."""

Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
"""Milliseconds UTC, up to the end of the year 9999."""


class UseCoupon(msgspec.Struct, frozen=True):
    """Use a coupon for an order whose goods cost `goods_amount` fen. `deadline` in ms UTC."""

    order_id: int
    user: User
    coupon_id: CouponId
    goods_amount: Fen
    deadline: int


class CouponUsed(Answer, frozen=True, kw_only=True):
    """`discount` in fen, at most the goods amount. Refusals: cancelled, coupon_unusable."""

    discount: int = 0


class Coupon(msgspec.Struct, frozen=True):
    """A coupon that can still be used: value and minimum in fen, `valid_until` in ms UTC."""

    coupon_id: str
    user: str
    value: int
    minimum: int
    valid_until: int


class CouponsOfUser(msgspec.Struct, frozen=True):
    """Ask for the coupons a user can use now; at most 1,000 are given, out of the first 10,000 not used."""

    user: str


class Coupons(msgspec.Struct, frozen=True):
    """Coupons in the order of their ids."""

    coupons: tuple[Coupon, ...]


class FindCoupon(msgspec.Struct, frozen=True):
    """Ask what a coupon would be worth to this user for goods of this amount (fen), without using it."""

    user: str
    coupon_id: CouponId
    goods_amount: Fen


class LoadCoupon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a load file: value and minimum in fen; it can be used before `valid_until` (ms UTC)."""

    coupon_id: CouponId
    user: User
    value: Price
    minimum: Fen
    valid_until: Moment


class LoadCoupons(msgspec.Struct, frozen=True):
    """Coupons to check, and with `apply` to take in; a coupon that is there must be the same."""

    coupons: Annotated[tuple[LoadCoupon, ...], msgspec.Meta(max_length=MAX_LOAD)]
    apply: bool


USE = Operation("coupons", "Use", UseCoupon, CouponUsed, route=lambda asked: asked.user)
OF_USER = Operation("coupons", "OfUser", CouponsOfUser, Coupons)
FIND = Operation("coupons", "Find", FindCoupon, CouponUsed)
LOAD = Operation("coupons", "Load", LoadCoupons, Loaded)
RESERVATION = Operation("coupons", "Reservation", ReservationOf, ReservationFound)
